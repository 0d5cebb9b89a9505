// One device, alone, in commits much smaller than what it has to send: what others would call a conflict it can only have with
// itself. SKYMOOR_SEEDS, SKYMOOR_FIRST_SEED, SKYMOOR_TRACE.
#include "tests/support/seeds.h"
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

class OneWriter {
 public:
  OneWriter(TestVolume& volume, std::uint64_t seed, const std::string& directory)
      : dice_(seed), device_(volume, "anna", 1, directory, {.stepped = true}) {
    for (int n = 0; n < kDirectories; ++n) {
      device_.make_directory("d" + std::to_string(n));
      expected_["d" + std::to_string(n)] = true;
    }
  }

  void work(int operations) {
    for (int n = 0; n < operations; ++n) one();
  }
  /// Or the store's, or the process's: none of it changes what there is to see.
  void housekeeping() {
    const auto what = pick(20);
    if (what < 8) must(device_.store().checkpoint());
    if (what == 19) device_.stop();
    if (what == 19) device_.start();
  }
  void restart_with(std::size_t records) {
    device_.stop();
    device_.options.max_batch_records = records;
    device_.start();
  }
  /// Before each commit, as it lies there after the one before it.
  void look_at_each_commit() {
    device_.remote().carry_commit = [this](const SignedCommit& commit, const FakeVolumeRemote::Deliver& deliver) {
      ++commits;
      EXPECT_TRUE(shows_what_it_should()) << "before commit " << commits;
      return deliver(commit);
    };
  }
  int commits = 0;
  ::testing::AssertionResult step() {
    if (Status stepped = device_.engine().step(); !stepped.ok()) return ::testing::AssertionFailure() << stepped.error().to_string();
    return shows_what_it_should();
  }
  ::testing::AssertionResult shows_what_it_should() {
    const auto shown = device_.paths();
    for (const auto& [path, directory] : shown)
      if (!expected_.contains(path)) return ::testing::AssertionFailure() << path << " is there, and should not";
    for (const auto& [path, directory] : expected_)
      if (!shown.contains(path)) return ::testing::AssertionFailure() << path << " is gone";
    return ::testing::AssertionSuccess();
  }
  bool idle() { return device_.store().pending().records == 0; }
  std::size_t pick(std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(dice_); }
  SyncDevice& device() { return device_; }
  const std::map<std::string, bool>& expected() const { return expected_; }

 private:
  static constexpr int kDirectories = 4;

  static void must(const Status& status) {
    if (!status.ok()) throw std::runtime_error(status.error().to_string());
  }

  std::string place(const std::string& name) { return "d" + std::to_string(pick(kDirectories)) + "/" + name; }
  void one() {
    const auto what = files_.empty() ? 0 : pick(10);
    if (what < 3) {
      files_.push_back(place("f" + std::to_string(++made_)));
      device_.write(files_.back(), noise(pick(2) ? 0 : 5000, made_));
      expected_[files_.back()] = false;
      return;
    }
    const std::size_t index = pick(files_.size());
    std::string& file = files_[index];
    if (what < 6) {
      device_.write_at(file, pick(9000), noise(300, ++made_));
    } else if (what < 8) {
      const std::string to = place(file.substr(file.find('/') + 1));
      device_.rename(file, to);
      expected_.erase(file);
      expected_[to] = false;
      file = to;
    } else if (what == 8) {
      device_.chmod(file, pick(2) ? 0600 : 0644);
    } else {
      if (pick(2)) device_.unlink(file);
      else device_.unlink_and_write_on(file, noise(pick(9000), ++made_));
      expected_.erase(file);
      std::swap(file, files_.back());
      files_.pop_back();
    }
  }

  std::mt19937_64 dice_;
  SyncDevice device_;
  std::vector<std::string> files_;
  std::map<std::string, bool> expected_;   ///< path: is it a directory
  std::uint64_t made_ = 0;
};

TEST(OneWriterTest, SeesNothingButItsOwnWorkWhileLittleByLittleItIsSent) {
  skymoor::testing::for_each_seed(30, [](std::uint64_t seed, const std::string& directory) {
    TestVolume volume(7);
    OneWriter writer(volume, seed, directory);
    writer.work(60);
    while (!writer.idle()) ASSERT_TRUE(writer.step());
    writer.device().remote().set_offline(true);
    for (int part = 0; part < 12; ++part) {
      writer.work(25);
      writer.housekeeping();
    }
    writer.device().remote().set_offline(false);
    writer.restart_with(1 + writer.pick(40));
    writer.look_at_each_commit();
    for (int n = 0; !writer.idle(); ++n) {
      ASSERT_TRUE(writer.step());
      writer.housekeeping();
      ASSERT_TRUE(writer.shows_what_it_should());
      if (n < 10) writer.work(static_cast<int>(writer.pick(60)));
      ASSERT_LT(n, 1000);
    }
    EXPECT_GT(writer.commits, 10);
    ASSERT_TRUE(writer.shows_what_it_should());
    const auto server = volume.tree();
    for (const auto& [path, plain] : server) EXPECT_TRUE(writer.expected().contains(path)) << path << " is at the server, and should not";
    EXPECT_EQ(server.size(), writer.expected().size());
    for (const auto& [path, content] : writer.device().tree()) {
      if (content != "dir") { EXPECT_EQ(server.at(path).bytes, content) << path; }
    }
    writer.device().check();
  });
}

}  // namespace
}  // namespace skymoor::client
