#include "api_fixture.h"

namespace skymoor::server {
namespace {

using ::testing::HasSubstr;

class HealthApi : public ApiTest {};

TEST_F(HealthApi, HealthNeedsNoToken) {
  HttpAnswer answer = stranger().call("GET", "/healthz");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"status\":\"ok\",\"protocol\":1}");
}

TEST_F(HealthApi, MetricsCountRequestsAndCommits) {
  ApiClient ada = user("ada");
  VolumeId volume = ada.create_volume();
  WriterId writer = ada.lease_writer(volume);
  ada.send_commit(volume, ada.make_commit(volume, {writer, 1}, testing_support::new_file(make_inode_id(writer, 1), 1)));
  ada.call("GET", "/no/such/route");
  HttpAnswer metrics = stranger().call("GET", "/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.header("Content-Type"), HasSubstr("text/plain"));
  EXPECT_THAT(metrics.body, HasSubstr("\nskymoor_commits_total 1\n"));
  EXPECT_THAT(metrics.body, HasSubstr("route=\"/api/volumes/{volume}/commits\",status=\"200\"} 1"));
  EXPECT_THAT(metrics.body, HasSubstr("route=\"none\",status=\"404\"} 1"));
  EXPECT_THAT(metrics.body, HasSubstr("process_resident_memory_bytes"));
  EXPECT_THAT(metrics.body, ::testing::Not(HasSubstr(volume.hex())));
}

TEST_F(HealthApi, WhatIsNotThereIs404InJson) {
  ApiClient client = stranger();
  for (const char* path :
       {"/", "/api", "/admin", "/metrics/x", "/debug/pprof", "/.git/config", "/api/volumes/x/y/z/w"}) {
    HttpAnswer answer = client.call("GET", path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(ApiClient::code_of(answer), "not_found");
  }
}

}  // namespace
}  // namespace skymoor::server
