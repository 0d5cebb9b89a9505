#include <map>

#include "fuse/remote/account_remote.h"
#include "tests/unit/fuse_remote/volume_fixture.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
using testing::HttpTestServer;
using testing::TestConnection;
using testing::TestRequest;

class VolumeRemoteTest : public VolumeAtServer {
 protected:
  VolumeRemoteTest() { connect(server_); }
  void answer(const std::string& method, const std::string& target, Bytes body) {
    answers_[method + " " + target] = std::string(as_text(body));
  }

  std::map<std::string, std::string> answers_;
  std::string last_body_;
  HttpTestServer server_{[this](const TestRequest& r, TestConnection& c) {
    last_body_ = r.body;
    auto it = answers_.find(r.method + " " + r.target);
    if (it == answers_.end())
      return c.reply(404, protocol::encode_failure(Error(Code::kNotFound, "no " + r.target), "r"));
    c.reply(200, it->second, "application/octet-stream");
  }};
  const std::string hex_ = std::string(32, 'a').replace(0, 32, "abababababababababababababababab");
};

TEST_F(VolumeRemoteTest, CommitSendsTheSignedBytesAndReadsTheReply) {
  SignedCommit commit{to_bytes("payload"), {}};
  protocol::CommitReply reply{Sequence{5}, {}, Sequence{9}};
  answer("POST", "/api/volumes/" + hex_ + "/commits", to_bytes(encode(reply)));
  auto got = remote_->commit(commit, {});
  ASSERT_TRUE(got.ok()) << got.error().to_string();
  EXPECT_EQ(got->sequence, Sequence{5});
  EXPECT_EQ(got->head, Sequence{9});
  EXPECT_EQ(as_bytes(last_body_).size(), encode_signed_commit(commit).size());
}

TEST_F(VolumeRemoteTest, ListingsAndFeedUseTheDocumentedRoutes) {
  FeedPage feed{Epoch{2}, Sequence{7}, {}};
  answer("GET", "/api/volumes/" + hex_ + "/changes?after=3&epoch=2&max_bytes=1000", encode_feed_page(feed));
  auto page = remote_->changes(Epoch{2}, Sequence{3}, 1000, {});
  ASSERT_TRUE(page.ok()) << page.error().to_string();
  EXPECT_EQ(page->head, Sequence{7});

  DirectoryPage directory;
  directory.sequence = Sequence{4};
  directory.directory.inode = InodeId{99};
  directory.directory.attributes.type = FileType::kDirectory;
  answer("GET", "/api/volumes/" + hex_ + "/directories/99?limit=50&manifests=4096", encode_directory_page(directory));
  auto listed = remote_->list_directory(InodeId{99}, {}, 50, 4096, {});
  ASSERT_TRUE(listed.ok()) << listed.error().to_string();
  const Bytes cursor = {1, 2, 3};
  answer("GET", "/api/volumes/" + hex_ + "/directories/99?limit=50&manifests=0&after=AQID",
         encode_directory_page(directory));
  EXPECT_TRUE(remote_->list_directory(InodeId{99}, cursor, 50, 0, {}).ok());

  answer("POST", "/api/volumes/" + hex_ + "/inodes", encode_inode_page({}));
  ASSERT_TRUE(remote_->inodes({InodeId{1}, InodeId{0x0102030405060708}}, {}).ok());
  EXPECT_EQ(hex_encode(as_bytes(last_body_)), "01000000000000000807060504030201");
}

TEST_F(VolumeRemoteTest, BlocksGoInAndOut) {
  BlockId block;
  block.value.fill(7);
  answer("POST", "/api/chunk/missing?volume=" + hex_,
         protocol::encode_block_states({{block, protocol::BlockState::kMissing, {}}}));
  auto states = remote_->missing_blocks({block}, {});
  ASSERT_TRUE(states.ok()) << states.error().to_string();
  EXPECT_EQ((*states)[0].state, protocol::BlockState::kMissing);
  answer("POST", "/api/chunk/pack?volume=" + hex_,
         protocol::encode_block_states({{block, protocol::BlockState::kStored, {}}}));
  const Bytes pack = to_bytes("the pack");
  EXPECT_TRUE(remote_->upload_pack(pack, {}).ok());
  EXPECT_EQ(last_body_, "the pack");
  answer("POST", "/api/chunk/fetch?volume=" + hex_, to_bytes("a pack"));
  EXPECT_EQ(std::string(as_text(*remote_->fetch_pack({block}, {}))), "a pack");
}

/// A line of a few kB/s: no page of the feed and no commit of some size came through within the time of a call, ever.
TEST_F(VolumeRemoteTest, WhatMovesIsWaitedForAndSilenceIsNot) {
  const Bytes page = encode_feed_page({Epoch{1}, Sequence{7}, {}});
  const std::string body(as_text(page));
  std::atomic<bool> silent{false};
  HttpTestServer slow([&](const TestRequest&, TestConnection& c) {
    c.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
    for (char byte : body)
      if (c.gone_within(silent ? 60000 : 3500 / static_cast<int>(body.size())) || !c.write(std::string(1, byte))) return;
  });
  auto http = std::move(*HttpClient::open({.base_url = slow.url(), .trust = {}}));
  RemoteSession session(*http, store_, clock_);
  HttpVolumeRemote remote(session, random_, volume_);
  EXPECT_EQ(remote.changes(Epoch{1}, Sequence{}, 1u << 20, {.timeout = 2s}).error().code(), Code::kTimedOut);
  // Not less: libcurl looks once a second how fast it is.
  auto came = remote.changes(Epoch{1}, Sequence{}, 1u << 20, {.timeout = 2s, .patience = Patience::kWhileItMoves});
  ASSERT_TRUE(came.ok()) << came.error().to_string();
  EXPECT_EQ(came->head, Sequence{7});
  silent = true;
  const auto began = std::chrono::steady_clock::now();
  auto gone = remote.changes(Epoch{1}, Sequence{}, 1u << 20, {.timeout = 2s, .patience = Patience::kWhileItMoves});
  EXPECT_EQ(gone.error().code(), Code::kTimedOut);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 30s) << "it was the server that ended it";
}

TEST_F(VolumeRemoteTest, FailuresKeepTheServersCode) {
  auto info = remote_->info({});
  ASSERT_FALSE(info.ok());
  EXPECT_EQ(info.error().code(), Code::kNotFound);
  answer("GET", "/api/volumes/" + hex_, to_bytes("<html>not ours</html>"));
  EXPECT_FALSE(remote_->info({}).ok());
}

TEST_F(VolumeRemoteTest, AccountRoutes) {
  AccountRemote account(*http_, *session_);
  protocol::VolumeInfo volume;
  volume.id = volume_;
  volume.sealed_key = Bytes(80, 1);
  volume.sealed_label = Bytes(48, 2);
  answer("GET", "/api/volumes", to_bytes(encode(std::vector{volume})));
  auto volumes = account.volumes({});
  ASSERT_TRUE(volumes.ok()) << volumes.error().to_string();
  EXPECT_EQ(volumes->at(0).id, volume_);
  answer("POST", "/api/volumes/" + hex_ + "/writers", to_bytes(encode(protocol::WriterLease{WriterId{12}})));
  EXPECT_EQ(account.lease_writer(volume_, {})->writer, WriterId{12});
  answer("POST", "/api/auth/logout", to_bytes("{}"));
  EXPECT_TRUE(account.logout({}).ok());
  DeviceId device;
  answer("DELETE", "/api/auth/devices/" + device.hex(), to_bytes("{}"));
  EXPECT_TRUE(account.revoke_device(device, {}).ok());
  answer("GET", "/healthz", to_bytes("{}"));
  EXPECT_TRUE(account.health({}).ok());
  // Without a session only the public routes work.
  EXPECT_EQ(AccountRemote(*http_).volumes({}).error().code(), Code::kUnauthenticated);
}

}  // namespace
}  // namespace skymoor::client
