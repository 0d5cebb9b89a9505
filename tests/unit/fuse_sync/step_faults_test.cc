// The device killed, or its disk failing, at every step that sync and its database make on it: while changes go both ways and meet in
// conflicts, and on the way over to a server that was put back from a backup. SKYMOOR_STEP: every so many steps (1).
#include "tests/support/seeds.h"
#include "tests/support/sqlite_on_disk.h"
#include "tests/support/tally.h"
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

enum class Fault { kNone, kKill, kFail };

/// One device with a disk that breaks at the step of a number, counted while it is armed.
class BreakingDevice {
 public:
  BreakingDevice(TestVolume& volume, const std::string& directory, Fault fault, int number)
      : fault_(fault), number_(number), directory_(directory) {
    device_ = std::make_unique<SyncDevice>(volume, "anna", 1, directory, DeviceWorld{.disk = &disk_, .stepped = true});
    device_->remote().carry = [this](std::string_view) {
      return dead_ ? Status(Error(Code::kOffline, "killed")) : Status();
    };
    device_->remote().carry_commit = [this](const SignedCommit& commit, const FakeVolumeRemote::Deliver& deliver) {
      return dead_ ? Result<protocol::CommitReply>(Error(Code::kOffline, "killed")) : deliver(commit);
    };
  }
  SyncDevice& operator*() { return *device_; }
  SyncDevice* operator->() { return device_.get(); }
  void step() {
    armed = true;
    for (int i = 0; i < 6 && !dead_; ++i) (void)device_->engine().step();
    armed = false;
  }
  /// A process that goes on with what the disk has.
  void go_on() {
    if (fault_ == Fault::kKill) device_->abandon(directory_ + "-killed", false);
    else device_->stop();   // a failed sync is for good: only a start goes on
    dead_ = false;
    device_->start();
    for (int i = 0; i < 6; ++i) (void)device_->engine().step();
  }

  bool armed = false, fired = false;
  int steps = 0;
  std::string where;

 private:
  int hit(const FaultPoint& point) {
    if (dead_) return EIO;
    if (!armed || point.name == "file.read") return 0;
    if (steps++ != number_ || fault_ == Fault::kNone) return 0;
    fired = true;
    where = std::string(point.name) + " " + std::string(point.detail);
    if (fault_ == Fault::kKill) {
      std::filesystem::copy(directory_, directory_ + "-killed", std::filesystem::copy_options::recursive);
      dead_ = true;
    }
    return EIO;
  }
  const Fault fault_;
  const int number_;
  const std::string directory_;
  bool dead_ = false;
  PosixDisk disk_{[this](const FaultPoint& point) { return hit(point); }};
  skymoor::testing::SqliteOnDisk database_{disk_, directory_};
  std::unique_ptr<SyncDevice> device_;
};

class StepFaultsTest : public SyncEngineTest {
 protected:
  using Tree = std::map<std::string, std::string>;
  static Tree server(const TestVolume& volume) {
    Tree tree;
    for (const auto& [path, plain] : volume.tree())
      tree[path] = plain.attributes.type == FileType::kDirectory ? "dir" : plain.bytes;
    return tree;
  }
  std::string fresh_directory() { return directory_ + "/" + std::to_string(runs_++); }
  /// Returns the steps that there were, -1 when the fault did not fire.
  int run_restore(Fault fault, int number) {
    TestVolume volume(9);
    BreakingDevice a(volume, fresh_directory(), fault, number);
    a->make_directory("d");
    a->write("old", noise(9000, 1));
    a->write("gone", "x");
    EXPECT_TRUE(a->engine().step().ok());
    const auto backup = volume.server.back_up();
    a->write("old", noise(12000, 2));
    a->unlink("gone");
    a->rename("d", "moved");
    a->write("moved/new", noise(20000, 3));
    EXPECT_TRUE(a->engine().step().ok());
    a->write("pending", "not sent yet");
    const auto before = a->tree();
    volume.server.put_back(*backup);
    a.step();
    if (fault != Fault::kNone && !a.fired) return -1;
    a.go_on();
    EXPECT_TRUE(server(volume) == before && a->tree() == before) << a.where;
    EXPECT_EQ(a->store().position().epoch, volume.server.epoch()) << a.where;
    settled(a);
    return a.steps;
  }
  int run_conflicts(Fault fault, int number) {
    TestVolume volume(9);
    const std::string at = fresh_directory();
    BreakingDevice a(volume, at, fault, number);
    SyncDevice b(volume, "berta", 2, at + "-b", {.stepped = true});
    const std::string edited = noise(30000, 4), theirs = noise(25000, 5), added = noise(20000, 6), above = noise(9000, 7);
    a->make_directory("d");
    a->write("edited", noise(30000, 1));
    a->write("d/moved", "m");
    a->write("gone", "g");
    a->write("read", noise(9000, 3));
    EXPECT_TRUE(a->engine().step().ok());
    EXPECT_TRUE(b.engine().step().ok());
    b.tree();
    b.write("edited", theirs);
    b.rename("d/moved", "their name");
    b.unlink("gone");
    b.write("read", above);
    b.write("same name", "berta's");
    EXPECT_TRUE(b.engine().step().ok());
    a->write("edited", edited);
    a->fsync("edited");
    a->rename("d/moved", "my name");
    a->write("gone", "edited, so it stays");
    a->write("same name", "anna's");
    a->write("d/added", added);
    a->set_xattr("edited", "user.x", "1");
    a.step();
    EXPECT_TRUE(b.engine().step().ok());
    if (fault != Fault::kNone && !a.fired) return -1;
    a.go_on();
    EXPECT_TRUE(b.engine().step().ok()) << a.where;
    (void)a->engine().step();
    const Tree tree = a->tree();
    EXPECT_EQ(keys(tree), keys(server(volume))) << a.where;
    EXPECT_TRUE(tree == server(volume)) << a.where;
    EXPECT_TRUE(tree == b.tree()) << a.where;
    EXPECT_EQ(a->facts(), b.facts()) << a.where;
    std::multiset<std::string> contents;
    for (const auto& [path, bytes] : tree) contents.insert(bytes);
    const std::vector<std::string> all{edited, theirs, added, above, "m", "edited, so it stays", "anna's", "berta's"};
    for (const std::string& bytes : all)
      EXPECT_EQ(contents.count(bytes), 1u) << bytes.substr(0, 20) << " of " << bytes.size() << ", " << a.where;
    settled(a);
    return a.steps;
  }
  void settled(BreakingDevice& a) {
    broken_.insert(a.where.substr(0, a.where.find(' ')));
    EXPECT_EQ(a->engine().status().reason, "") << a.where;
    EXPECT_EQ(a->store().pending().records, 0u) << a.where;
    EXPECT_NO_THROW(a->check()) << a.where;
  }
  template <typename Run>
  void at_every_step(Run run) {
    const int steps = run(Fault::kNone, 0);
    const auto every = static_cast<int>(skymoor::testing::number_from("SKYMOOR_STEP", 1));
    int faults = 0;
    for (Fault fault : {Fault::kKill, Fault::kFail}) {
      const int before = faults;
      for (int number = 0; number < steps && !HasFailure(); number += every) faults += run(fault, number) >= 0;
      skymoor::testing::tally(fault == Fault::kKill ? "client killed" : "disk step failed", static_cast<std::uint64_t>(faults - before));
    }
    std::cout << faults << " faults in " << steps << " steps\n";
    EXPECT_GT(faults, steps / every) << "faults did not fire";
  }
  int runs_ = 0;
  std::set<std::string> broken_;   ///< points at which a fault fired
};

TEST_F(StepFaultsTest, OfARestore) {
  at_every_step([&](Fault fault, int number) { return run_restore(fault, number); });
  EXPECT_TRUE(broken_.contains("journal.adopt")) << "a restore takes no tables over any more";
}

TEST_F(StepFaultsTest, OfChangesThatMeet) {
  at_every_step([&](Fault fault, int number) { return run_conflicts(fault, number); });
  for (const char* point : {"journal.rebase", "journal.confirm", "disk.rename"})
    EXPECT_TRUE(broken_.contains(point)) << point;
}

}  // namespace
}  // namespace skymoor::client
