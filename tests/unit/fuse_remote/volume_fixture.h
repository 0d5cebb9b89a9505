// A volume at a test's own server, reached as the client reaches one.
#pragma once
#include "fuse/remote/http_volume_remote.h"
#include "tests/unit/fuse_remote/session_fixture.h"

namespace skymoor::client {

class VolumeAtServer : public ::testing::Test {
 protected:
  void connect(const testing::HttpTestServer& server) {
    volume_.value.fill(0xab);
    http_ = std::move(*HttpClient::open({.base_url = server.url(), .trust = {}}));
    session_ = std::make_unique<RemoteSession>(*http_, store_, clock_);
    remote_ = std::make_unique<HttpVolumeRemote>(*session_, random_, volume_);
  }

  SystemClock clock_;
  SystemRandom random_;
  MemorySessionStore store_{{"refresh", "access", SystemClock().now() + std::chrono::hours(24)}};
  VolumeId volume_;
  std::unique_ptr<HttpClient> http_;
  std::unique_ptr<RemoteSession> session_;
  std::unique_ptr<HttpVolumeRemote> remote_;
};

}  // namespace skymoor::client
