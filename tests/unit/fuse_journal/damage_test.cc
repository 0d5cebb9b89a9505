// Random damage to each file of the state: found when it is opened, by the check, or by a read, or without any effect. What
// was written and not sent is never quietly left out. SKYMOOR_DAMAGES: how often each file (200; the database 1,000).
#include <gtest/gtest-spi.h>

#include <fstream>

#include "journal_support.h"
#include "tests/support/damage.h"
#include "tests/support/seeds.h"

namespace skymoor::client {
namespace {

class DamageTest : public ::testing::Test {
 protected:
  static constexpr int kOperations = 120;

  /// A state with a checkpoint in the middle of its history, as a kill leaves it; `states_` has a dump for each operation.
  void SetUp() override {
    store_ = open(options_.directory);
    ASSERT_TRUE(store_);
    tree_.use(*store_);
    ASSERT_TRUE(tree_.make_root().ok());
    ASSERT_TRUE(
        store_->merge_listing(kRootInode, Sequence{0}, {.inode = Reference().inodes.at(kRootInode).row}, {}, true).ok());
    for (int i = 0; i < kOperations; ++i) {
      const std::string name = "name-" + std::to_string(i % 40);
      if (i < 40) {
        made_.push_back(*tree_.create(kRootInode, name));
      } else if (i % 3) {
        ASSERT_TRUE(tree_.chmod(made_[static_cast<std::size_t>(i) % 40], 0600 + static_cast<std::uint32_t>(i % 64)).ok());
      } else {
        ASSERT_TRUE(tree_.set_xattr(made_[static_cast<std::size_t>(i) % 40], "user.x", std::to_string(i)).ok());
      }
      if (i == 60) {
        ASSERT_TRUE(store_->checkpoint().ok());
      }
      states_.push_back(dump(*store_));
    }
    ASSERT_TRUE(store_->sync(store_->last_lsn()).ok());
    copy_files(options_.directory, killed_.path());
  }
  /// `why`: where it goes wrong, the error.
  std::unique_ptr<MetadataStore> open(const std::string& directory, std::string* why = nullptr) {
    MetadataStore::Options options = quiet_options(directory);
    options.max_unchecked_records = 1000;
    auto opened = MetadataStore::open(disk_, clock_, options, test_identity(), nullptr);
    if (!opened.ok() && why) *why = opened.error().to_string();
    return opened.ok() ? *std::move(opened) : nullptr;
  }
  static Bytes read_all(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
  }
  struct Outcome {
    int refused = 0, named = 0, harmless = 0, cut = 0, unseen = 0;
    std::string nameless;   ///< the last refusal that does not say which file
  };
  /// Damages the file that `pick` names in copies of the state.
  Outcome damage(const std::function<bool(const std::string& name)>& pick, std::uint64_t usual = 200) {
    const auto times = skymoor::testing::number_from("SKYMOOR_DAMAGES", usual);
    std::mt19937_64 dice(skymoor::testing::first_seed() + 1);
    Outcome outcome;
    std::string victim;
    for (const auto& entry : std::filesystem::directory_iterator(killed_.path()))
      if (pick(entry.path().filename())) victim = entry.path().filename();
    EXPECT_NE(victim, "");
    const Bytes whole = read_all(killed_.file(victim));
    for (std::uint64_t i = 0; i < times; ++i) {
      TemporaryDirectory copy;
      copy_files(killed_.path(), copy.path());
      const Bytes bad = skymoor::testing::damaged(whole, dice);
      std::ofstream(copy.file(victim), std::ios::binary | std::ios::trunc) << as_text(bad);
      std::string why;
      auto store = open(copy.path(), &why);
      if (!store) {
        ++outcome.refused;
        if (why.find(copy.path()) == std::string::npos) outcome.nameless = why;
        continue;
      }
      auto found = store->check();
      if (!found.ok() || !found->empty()) {
        ++outcome.named;
        continue;
      }
      ::testing::TestPartResultArray complaints;   // the dump's own: names that are listed and not found
      std::string dumped;
      {
        ::testing::ScopedFakeTestPartResultReporter keep(
            ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &complaints);
        dumped = dump(*store);
      }
      const auto state = complaints.size() > 0 ? states_.end() : std::find(states_.begin(), states_.end(), dumped);
      if (state == states_.end()) ++outcome.unseen;
      else if (state + 1 == states_.end()) ++outcome.harmless;
      else ++outcome.cut;
    }
    std::cout << victim << ": " << outcome.refused << " refused, " << outcome.named << " named by the check, "
              << outcome.harmless << " without effect, " << outcome.cut << " cut, " << outcome.unseen << " unseen\n";
    return outcome;
  }

  TemporaryDirectory directory_, killed_;
  PosixDisk disk_;
  FakeClock clock_;
  MetadataStore::Options options_ = quiet_options(directory_.path());
  std::unique_ptr<MetadataStore> store_;
  Tree tree_;
  std::vector<InodeId> made_;
  std::vector<std::string> states_;
};

TEST_F(DamageTest, OfTheLog) {
  const Outcome outcome = damage([](const std::string& name) { return name.starts_with("log-"); });
  EXPECT_GT(outcome.refused, 0);
  EXPECT_EQ(outcome.unseen, 0) << "every record has its checksum";
}

TEST_F(DamageTest, OfTheDatabase) {
  store_.reset();   // which folds SQLite's log into the file
  for (const auto& entry : std::filesystem::directory_iterator(killed_.path())) std::filesystem::remove(entry.path());
  copy_files(options_.directory, killed_.path());
  const Outcome outcome = damage([](const std::string& name) { return name == "metadata.db"; }, 1000);
  EXPECT_GT(outcome.refused + outcome.named, 0);
  EXPECT_EQ(outcome.unseen, 0) << "every page has its checksum (2 in 1,000 were not noticed without)";
  EXPECT_EQ(outcome.cut, 0);
  EXPECT_EQ(outcome.nameless, "");
}

TEST_F(DamageTest, OfTheDatabasesOwnLog) {
  const Outcome outcome = damage([](const std::string& name) { return name == "metadata.db-wal"; });
  EXPECT_EQ(outcome.unseen, 0);
}

/// The step that forgets the tables for the server's tree fails, or is the last one of the process.
TEST_F(DamageTest, AResetThatEndsBeforeItsCommitHasNotBeen) {
  TemporaryDirectory copy;
  bool fired = false;
  PosixDisk disk([&](const FaultPoint& point) {
    if (point.name != "journal.reset") return 0;
    fired = true;
    copy_files(options_.directory, copy.path());
    return EIO;
  });
  store_.reset();
  auto opened = MetadataStore::open(disk, clock_, options_, test_identity(), nullptr);
  ASSERT_TRUE(opened.ok());
  ASSERT_TRUE((*opened)->acknowledge((*opened)->last_lsn()).ok());
  const InodeRow root = Reference().inodes.at(kRootInode).row;
  MetadataStore::ListedRow theirs{.inode = tree_.reference.inodes.at(made_[0]).row};
  theirs.name = "the server's";
  ASSERT_TRUE((*opened)->merge_listing(kRootInode, Sequence{1}, {.inode = root}, {theirs}, true).ok());
  const std::string before = dump(**opened);
  ASSERT_THAT(before, ::testing::HasSubstr("the server's"));
  EXPECT_EQ((*opened)->reset_mirror(Epoch{2}, Sequence{9}, {}, root).error().code(), Code::kIo);
  ASSERT_TRUE(fired);
  EXPECT_EQ(dump(**opened), before);
  EXPECT_EQ((*opened)->position().epoch, Epoch{1});
  opened->reset();
  for (const std::string& left : {copy.path(), options_.directory}) {
    auto after = open(left);
    ASSERT_TRUE(after);
    EXPECT_EQ(dump(*after), before);
    EXPECT_EQ(after->position().epoch, Epoch{1});
    EXPECT_THAT(*after->check(), ::testing::IsEmpty());
  }
}

}  // namespace
}  // namespace skymoor::client
