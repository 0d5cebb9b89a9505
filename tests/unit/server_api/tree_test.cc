#include "api_fixture.h"

namespace skymoor::server {
namespace {

using testing_support::new_file;

class TreeApi : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    ada_ = std::make_unique<ApiClient>(user("ada"));
    volume_ = ada_->create_volume();
    writer_ = ada_->lease_writer(volume_);
    at_ = "/api/volumes/" + volume_.hex();
  }
  InodeId commit_file(std::uint8_t name) {
    InodeId inode = make_inode_id(writer_, name);
    auto answer = ada_->send_commit(volume_, ada_->make_commit(volume_, {writer_, name}, new_file(inode, name)));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return inode;
  }

  std::unique_ptr<ApiClient> ada_;
  VolumeId volume_;
  WriterId writer_;
  std::string at_;
};

TEST_F(TreeApi, ACommitShowsInFeedListingAndInodes) {
  InodeId inode = commit_file(1);
  EXPECT_EQ(ada_->volume_info(volume_).head.value, 1u);

  HttpAnswer feed = ada_->call("GET", at_ + "/changes?after=0&epoch=1");
  EXPECT_EQ(feed.header("Content-Type"), "application/octet-stream");
  auto page = decode_feed_page(as_bytes(feed.body));
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->entries.size(), 1u);
  EXPECT_EQ(page->head.value, 1u);
  auto commit = decode_commit(page->entries[0].commit.payload);
  ASSERT_TRUE(commit.ok());
  EXPECT_EQ(commit->device, ada_->device().id);

  auto directory = decode_directory_page(as_bytes(ada_->call("GET", at_ + "/directories/1").body));
  ASSERT_TRUE(directory.ok());
  ASSERT_EQ(directory->entries.size(), 1u);
  EXPECT_EQ(directory->entries[0].inode.inode, inode);

  ByteWriter ids;
  ids.u64(inode.value);
  ids.u64(999);
  auto inodes = decode_inode_page(as_bytes(ada_->call("POST", at_ + "/inodes", ids.take()).body));
  ASSERT_TRUE(inodes.ok());
  ASSERT_EQ(inodes->inodes.size(), 1u);
  EXPECT_EQ(inodes->inodes[0].attributes.mode, 0644u);
}

TEST_F(TreeApi, PagesOfADirectoryFollowTheCursor) {
  for (std::uint8_t name = 1; name <= 5; ++name) commit_file(name);
  std::string cursor;
  std::vector<InodeId> seen;
  for (int pages = 0; pages < 10; ++pages) {
    auto page = decode_directory_page(as_bytes(ada_->call("GET", at_ + "/directories/1?limit=2" + cursor).body));
    ASSERT_TRUE(page.ok());
    EXPECT_LE(page->entries.size(), 2u);
    for (const auto& entry : page->entries) seen.push_back(entry.inode.inode);
    if (page->next.empty()) break;
    cursor = "&after=" + base64url_encode(page->next);
  }
  EXPECT_EQ(seen.size(), 5u);
}

TEST_F(TreeApi, TheSameCommitTwiceHasOneAnswer) {
  Bytes commit = ada_->make_commit(volume_, {writer_, 1}, new_file(make_inode_id(writer_, 1), 1));
  auto first = ApiClient::decoded<protocol::CommitReply>(ada_->send_commit(volume_, commit));
  auto second = ApiClient::decoded<protocol::CommitReply>(ada_->send_commit(volume_, commit));
  EXPECT_EQ(first.sequence, second.sequence);
  EXPECT_EQ(first.hash, second.hash);
  EXPECT_EQ(ada_->volume_info(volume_).head.value, 1u);
}

TEST_F(TreeApi, WrongCommitsChangeNothing) {
  Bytes good = ada_->make_commit(volume_, {writer_, 1}, new_file(make_inode_id(writer_, 1), 1));
  Bytes forged = good;
  forged.back() ^= 1;
  EXPECT_EQ(ApiClient::code_of(ada_->send_commit(volume_, forged)), "bad_signature");
  EXPECT_EQ(ada_->send_commit(volume_, Bytes{}).status, 400);
  EXPECT_EQ(ada_->send_commit(volume_, to_bytes("garbage")).status, 400);
  Bytes cut(good.begin(), good.end() - 10);
  EXPECT_EQ(ada_->send_commit(volume_, cut).status, 400);
  VolumeId other = ada_->create_volume();
  EXPECT_GE(ada_->send_commit(other, good).status, 400);  // replayed into another volume
  EXPECT_EQ(ada_->volume_info(volume_).head.value, 0u);
  EXPECT_EQ(ada_->volume_info(other).head.value, 0u);
  EXPECT_EQ(ada_->send_commit(volume_, good).status, 200);
}

TEST_F(TreeApi, CommitsOverTheLimitAreRefusedEarly) {
  EXPECT_EQ(ada_->call("POST", at_ + "/commits", std::string(9u << 20, 'x')).status, 413);
  ada_->token = "wrong";
  EXPECT_EQ(ada_->call("POST", at_ + "/commits", std::string(1u << 20, 'x')).status, 401);
}

TEST_F(TreeApi, CursorsThatAreNotOursAreAResync) {
  commit_file(1);
  EXPECT_EQ(ApiClient::code_of(ada_->call("GET", at_ + "/changes?after=99&epoch=1")), "resync");
  EXPECT_EQ(ApiClient::code_of(ada_->call("GET", at_ + "/changes?after=0&epoch=7")), "resync");
  for (const char* bad : {"", "?after=0", "?epoch=1", "?after=-1&epoch=1", "?after=1.5&epoch=1",
                          "?after=0&epoch=99999999999", "?after=0&epoch=1&max_bytes=x", "?after=0&after=1&epoch=1"})
    EXPECT_EQ(ada_->call("GET", at_ + "/changes" + bad).status, 400) << bad;
}

TEST_F(TreeApi, ListingsRefuseWhatIsNotThere) {
  InodeId file = commit_file(1);
  EXPECT_EQ(ApiClient::code_of(ada_->call("GET", at_ + "/directories/" + std::to_string(file.value))), "not_directory");
  EXPECT_EQ(ApiClient::code_of(ada_->call("GET", at_ + "/directories/77")), "not_found");
  EXPECT_EQ(ada_->call("GET", at_ + "/directories/1?limit=0").status, 400);
  EXPECT_EQ(ada_->call("GET", at_ + "/directories/1?after=!!").status, 400);
  EXPECT_EQ(ada_->call("POST", at_ + "/inodes", "1234567").status, 400);
  EXPECT_EQ(ada_->call("POST", at_ + "/inodes", std::string(8 * 2001, 'x')).status, 413);
}

TEST_F(TreeApi, HistoryIsServedAndRefusesWhatIsNotThere) {
  InodeId file = commit_file(1);
  const std::string versions = at_ + "/versions/" + std::to_string(file.value);
  auto page = decode_version_page(as_bytes(ada_->call("GET", versions).body));
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->inode.inode, file);
  auto trash = decode_trash_page(as_bytes(ada_->call("GET", at_ + "/trash/1").body));
  ASSERT_TRUE(trash.ok());
  EXPECT_TRUE(trash->entries.empty());
  EXPECT_EQ(ApiClient::code_of(ada_->call("GET", versions + "/99")), "not_found");
  EXPECT_EQ(ApiClient::code_of(ada_->call("GET", at_ + "/versions/777")), "not_found");
  for (const char* bad : {"?limit=0", "?before=-1", "?before=18446744073709551615", "/x", "?limit=x"})
    EXPECT_EQ(ada_->call("GET", versions + bad).status, 400) << bad;
  for (const char* bad : {"?token=12", "?after=!!", "?after=AAAA", "?limit=0"})
    EXPECT_EQ(ada_->call("GET", at_ + "/trash/1" + bad).status, 400) << bad;
}

}  // namespace
}  // namespace skymoor::server
