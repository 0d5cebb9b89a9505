// Whole answers, heads and bodies, damaged on a line without TLS: each call ends, soon, with an error or with what could be read,
// and the next one works. SKYMOOR_DAMAGED_ANSWERS: how many (7000).
#include "tests/support/damage.h"
#include "tests/support/seeds.h"
#include "tests/unit/fuse_remote/volume_fixture.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
using skymoor::testing::damaged;
using testing::HttpTestServer;
using testing::TestConnection;
using testing::TestRequest;

class DamagedAnswersTest : public VolumeAtServer {
 protected:
  DamagedAnswersTest() { connect(server_); }
  static Bytes whole(ByteView body) {
    Bytes answer = to_bytes("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
                            std::to_string(body.size()) + "\r\nX-Request-Id: 0123456789abcdef\r\n\r\n");
    append(answer, body);
    return answer;
  }
  std::mt19937_64 dice_{skymoor::testing::first_seed() + 7};
  Bytes answer_;         ///< what the server sends next, as it stands
  HttpTestServer server_{[this](const TestRequest&, TestConnection& c) {
    c.write(std::string(as_text(answer_)));
    c.close();
  }};
};

TEST_F(DamagedAnswersTest, EveryCallEndsAndTheNextWorks) {
  FeedPage feed{Epoch{2}, Sequence{7}, {}};
  for (std::uint64_t i = 1; i <= 3; ++i) feed.entries.push_back({Sequence{i}, {}, {Bytes(300, static_cast<std::uint8_t>(i)), {}}});
  DirectoryPage directory;
  directory.sequence = Sequence{4};
  directory.directory.inode = InodeId{99};
  directory.directory.attributes.type = FileType::kDirectory;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    ListedEntry entry;
    entry.sealed_name = Bytes(48, static_cast<std::uint8_t>(i));
    entry.inode.inode = InodeId{100 + i};
    entry.inode.links = 1;
    entry.inode.sealed_manifest = Bytes(100, 1);
    directory.entries.push_back(entry);
  }
  const protocol::CommitReply reply{Sequence{5}, {}, Sequence{9}};
  const CallOptions options{.timeout = 10s};
  const auto status_of = [](const auto& result) { return result.ok() ? Status() : Status(result.error()); };
  const std::vector<std::pair<Bytes, std::function<Status()>>> calls = {
      {encode_feed_page(feed), [&] { return status_of(remote_->changes(Epoch{2}, Sequence{0}, 1000, options)); }},
      {encode_directory_page(directory), [&] { return status_of(remote_->list_directory(InodeId{99}, {}, 50, 0, options)); }},
      {encode_inode_page({}), [&] { return status_of(remote_->inodes({InodeId{1}}, options)); }},
      {to_bytes(encode(reply)), [&] { return status_of(remote_->commit({to_bytes("payload"), {}}, options)); }},
      {Bytes(5000, 3), [&] { return status_of(remote_->fetch_pack({BlockId{}}, options)); }},
  };
  const auto times = skymoor::testing::number_from("SKYMOOR_DAMAGED_ANSWERS", 7000);
  std::map<std::string, int> outcomes;
  std::chrono::nanoseconds slowest{};
  for (std::uint64_t i = 0; i < times; ++i) {
    const auto& [body, call] = calls[i % calls.size()];
    const Bytes sound = whole(body);
    // The head is short: half of the damage is done there.
    const std::size_t head = sound.size() - body.size();
    if (dice_() % 2) {
      answer_ = damaged(Bytes(sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(head)), dice_);
      append(answer_, body);
    } else {
      answer_ = damaged(sound, dice_);
    }
    const auto began = std::chrono::steady_clock::now();
    const Status outcome = call();
    slowest = std::max<std::chrono::nanoseconds>(slowest, std::chrono::steady_clock::now() - began);
    ++outcomes[outcome.ok() ? "ok" : std::string(name_of(outcome.error().code()))];
    if (i % 50 != 0) continue;
    answer_ = sound;
    const Status now = call();
    ASSERT_TRUE(now.ok()) << "message " << i << ": " << now.error().to_string();
  }
  EXPECT_EQ(outcomes.count("TimedOut"), 0u) << "a call waited for what does not come";
  for (const auto& [name, count] : outcomes) std::cout << count << " " << name << ", ";
  std::cout << "slowest " << std::chrono::duration_cast<std::chrono::milliseconds>(slowest).count() << " ms\n";
  EXPECT_GT(outcomes["Offline"], static_cast<int>(times / 20)) << "the head was not damaged";
  EXPECT_GT(outcomes.size(), 2u);
}

}  // namespace
}  // namespace skymoor::client
