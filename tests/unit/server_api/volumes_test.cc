#include "api_fixture.h"

namespace skymoor::server {
namespace {

class VolumesApi : public ApiTest {};

TEST_F(VolumesApi, CreateListInfo) {
  ApiClient ada = user("ada");
  VolumeId volume = ada.create_volume();
  auto list = ApiClient::decoded<std::vector<protocol::VolumeInfo>>(ada.call("GET", "/api/volumes"));
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].id, volume);
  EXPECT_EQ(list[0].role, protocol::Role::kOwner);
  EXPECT_EQ(list[0].sealed_key, Bytes(80, 1));
  EXPECT_EQ(ada.volume_info(volume).sealed_label, Bytes(48, 2));
  EXPECT_GT(ada.volume_info(volume).free_bytes, 0u);
}

TEST_F(VolumesApi, TheSameIdTwiceIsAConflict) {
  ApiClient ada = user("ada"), eve = user("eve");
  protocol::CreateVolume create;
  create.id.value.fill(9);
  create.sealed_key = Bytes(80, 1);
  create.sealed_label = Bytes(48, 2);
  EXPECT_EQ(ada.call("POST", "/api/volumes", encode(create)).status, 200);
  HttpAnswer again = eve.call("POST", "/api/volumes", encode(create));
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(ApiClient::code_of(again), "already_exists");
}

// A stranger must not be able to tell a volume of somebody else from one that does not exist.
TEST_F(VolumesApi, OthersVolumesDoNotExist) {
  ApiClient ada = user("ada"), eve = user("eve");
  VolumeId volume = ada.create_volume();
  VolumeId nowhere;
  nowhere.value.fill(0x77);
  auto without_id = [](const HttpAnswer& answer) {
    return std::to_string(answer.status) + answer.body.substr(0, answer.body.find("request_id"));
  };
  std::string block(64, 'b');
  const std::pair<const char*, std::string> routes[] = {
      {"GET", "/api/volumes/{}"},
      {"POST", "/api/volumes/{}/writers"},
      {"GET", "/api/volumes/{}/devices"},
      {"GET", "/api/volumes/{}/changes?after=0&epoch=1"},
      {"GET", "/api/volumes/{}/directories/1"},
      {"POST", "/api/volumes/{}/inodes"},
      {"GET", "/api/events?volume={}"},
      {"POST", "/api/chunk/missing?volume={}"},
      {"POST", "/api/chunk/fetch?volume={}"},
      {"GET", "/api/chunk/{}/" + block},
  };
  for (auto [method, target] : routes) {
    std::string theirs = target, none = target;
    theirs.replace(theirs.find("{}"), 2, volume.hex());
    none.replace(none.find("{}"), 2, nowhere.hex());
    HttpAnswer answer = eve.call(method, theirs);
    EXPECT_EQ(answer.status, 404) << method << " " << theirs;
    EXPECT_EQ(without_id(answer), without_id(eve.call(method, none))) << method << " " << theirs;
  }
}

TEST_F(VolumesApi, IdsThatAreNoneAre400) {
  ApiClient ada = user("ada");
  const std::string ids[] = {"0", "-1", "xyz", "340282366920938463463374607431768211456", std::string(32, 'A'),
                             std::string(33, 'a'), std::string(31, 'a') + "%00", "..%2f..%2fetc"};
  for (const std::string& id : ids) {
    EXPECT_EQ(ada.call("GET", "/api/volumes/" + id).status, 400) << id;
    EXPECT_EQ(ada.call("GET", "/api/events?volume=" + id).status, 400) << id;
  }
  VolumeId volume = ada.create_volume();
  for (std::string inode : {"-1", "1e3", "0x1", "18446744073709551616", "01", "a", "1%20"})
    EXPECT_EQ(ada.call("GET", "/api/volumes/" + volume.hex() + "/directories/" + inode).status, 400) << inode;
}

TEST_F(VolumesApi, WritersPrefixesDiffer) {
  ApiClient ada = user("ada");
  VolumeId volume = ada.create_volume();
  EXPECT_NE(ada.lease_writer(volume), ada.lease_writer(volume));
  auto devices = ApiClient::decoded<std::vector<protocol::DevicePublic>>(
      ada.call("GET", "/api/volumes/" + volume.hex() + "/devices"));
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_EQ(devices[0].id, ada.device().id);
}

}  // namespace
}  // namespace skymoor::server
