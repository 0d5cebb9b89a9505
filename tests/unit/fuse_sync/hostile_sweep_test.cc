// What a hostile server or a line without TLS may send, at random: nothing that its author did not make is ever shown, and
// with the true answers the device goes on. SKYMOOR_HOSTILE_ROUNDS: how often each (100).
#include "tests/support/damage.h"
#include "tests/support/seeds.h"
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

using skymoor::testing::damaged;

class HostileSweepTest : public SyncEngineTest {
 protected:
  using Tree = std::map<std::string, std::string>;
  const std::uint64_t rounds_ = skymoor::testing::number_from("SKYMOOR_HOSTILE_ROUNDS", 100);
  std::mt19937_64 dice_{skymoor::testing::first_seed() + 1};

  std::size_t below(std::size_t n) { return dice_() % n; }
  std::unique_ptr<SyncDevice> make(const std::string& name, std::uint32_t writer) {
    return std::make_unique<SyncDevice>(volume_, name, writer, directory_ + "/" + name, DeviceWorld{.stepped = true});
  }
  void work(SyncDevice& device, std::uint64_t round) {
    const std::string name = "f" + std::to_string(below(6));
    switch (device.exists(name) ? below(5) : 0) {
      case 0: device.write(name, noise(1 + below(9000), round)); break;
      case 1: device.unlink(name); break;
      case 2: device.rename(name, "f" + std::to_string(below(6))); break;
      case 3: device.set_xattr(name, "user.round", std::to_string(round)); break;
      default: device.write_at(name, below(100), noise(300, round)); break;
    }
    ASSERT_TRUE(device.engine().step().ok());
  }
  /// A page as it comes through such a line; pages that the decoder refuses are counted and made again.
  template <typename Page, typename Encode, typename Decode>
  Page through(const Page& page, Encode encode, Decode decode) {
    const Bytes sent = encode(page);
    for (int i = 0; i < 200; ++i) {
      ++messages_;
      auto arrived = decode(damaged(sent, dice_));
      if (arrived.ok()) return *std::move(arrived);
      ++undecoded_;
    }
    return page;
  }
  std::uint64_t messages_ = 0, undecoded_ = 0, refused_ = 0;
};

TEST_F(HostileSweepTest, no_damaged_change_is_shown) {
  auto author = make("author", 1), victim = make("victim", 2);
  for (std::uint64_t round = 0; round < rounds_; ++round) {
    const Tree before = victim->tree();
    work(*author, round);
    const Tree after = author->tree();
    for (int tries = 0; tries < 5; ++tries) {
      victim->remote().tamper({.feed = [&](FeedPage& page) { page = through(page, encode_feed_page, decode_feed_page); }});
      const bool took = victim->engine().step().ok();
      victim->remote().tamper({});
      refused_ += !took;
      victim->stop();   // what it refused may have stopped it
      victim->start();
      const Tree now = victim->tree();
      ASSERT_TRUE(now == before || now == after) << "round " << round;
    }
    ASSERT_TRUE(victim->engine().step().ok()) << victim->engine().status().reason;
    ASSERT_TRUE(victim->tree() == after) << "round " << round;
  }
  victim->check();
  std::cout << messages_ << " damaged pages of the feed: " << undecoded_ << " not read, " << refused_ << " refused\n";
  EXPECT_GT(messages_, rounds_ * 5);
  EXPECT_GT(refused_, rounds_);
}

TEST_F(HostileSweepTest, no_damaged_listing_shows_a_name_or_content_that_is_none) {
  auto author = make("author", 1);
  author->make_directory("d");
  for (int i = 0; i < 5; ++i) {
    author->write("d/small" + std::to_string(i), std::to_string(i));
    author->write("large" + std::to_string(i), noise(20000, static_cast<std::uint64_t>(i)));
    author->symlink("target " + std::to_string(i), "d/link" + std::to_string(i));
  }
  ASSERT_TRUE(author->engine().step().ok());
  const Tree real = author->tree();
  std::set<std::string> names, contents;
  for (const auto& [path, bytes] : real) names.insert(path), contents.insert(bytes);
  for (std::uint64_t round = 0; round < rounds_; ++round) {
    auto victim = make("victim" + std::to_string(round), 2);
    auto listing = [&](DirectoryPage& page) {
      const InodeId asked = page.directory.inode;
      page = through(page, encode_directory_page, decode_directory_page);
      if (below(2)) page.directory.inode = asked;
    };
    auto inodes = [&](InodePage& page) { page = through(page, encode_inode_page, decode_inode_page); };
    victim->remote().tamper({.directory = listing, .inodes = inodes});
    try {
      for (const auto& [path, is_directory] : victim->paths()) {
        EXPECT_TRUE(names.contains(path)) << path;
        if (is_directory || victim->node(path).attributes.type != FileType::kFile) continue;
        const std::string bytes = victim->read(path, 0, 1u << 20);
        // The size is an attribute, which a server may lie about: a content may be cut, or end in zeros.
        const bool is_part = std::any_of(contents.begin(), contents.end(), [&](const std::string& whole) {
          return whole.starts_with(bytes.substr(0, whole.size()));
        });
        EXPECT_TRUE(is_part) << path << " in round " << round;
      }
    } catch (const std::runtime_error&) {
      ++refused_;
    }
    victim->remote().tamper({});
    ASSERT_FALSE(HasFailure()) << "round " << round;
    ASSERT_EQ(keys(author->tree()), keys(real));
  }
  std::cout << messages_ << " damaged listings: " << undecoded_ << " not read, " << refused_ << " devices saw errors\n";
  EXPECT_GT(refused_, rounds_ / 3);
}

TEST_F(HostileSweepTest, no_damaged_block_reaches_a_reader) {
  auto author = make("author", 1);
  const std::string content = noise(600000, 1), text(600000, 't');
  author->write("noise", content);
  author->write("text", text);
  ASSERT_TRUE(author->engine().step().ok());
  for (std::uint64_t round = 0; round < rounds_; ++round) {
    auto victim = make("victim" + std::to_string(round), 2);
    victim->paths();
    const std::size_t spare = below(3);   // some blocks are sound
    victim->remote().tamper({.block = [&](const BlockId& id, const std::map<BlockId, Bytes>& blocks) {
      if (messages_++ % 3 < spare) return blocks.at(id);
      Bytes bytes = damaged(blocks.at(id), dice_);
      if (bytes.empty() || bytes.size() > (4u << 20)) bytes = Bytes(100, 1);
      return bytes;
    }});
    for (const auto& [path, whole] : {std::pair{"noise", content}, std::pair{"text", text}}) {
      for (std::size_t at = 0; at < whole.size(); at += 200000) {
        try {
          ASSERT_TRUE(whole.substr(at).starts_with(victim->read(path, at, 1000))) << path << " at " << at;
        } catch (const std::runtime_error&) {
          ++refused_;
        }
      }
    }
    victim->remote().tamper({});
    ASSERT_TRUE(victim->read("noise") == content);
    ASSERT_TRUE(victim->read("text") == text);
  }
  std::cout << refused_ << " reads were refused\n";
  EXPECT_GT(refused_, rounds_);
}

}  // namespace
}  // namespace skymoor::client
