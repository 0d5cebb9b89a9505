// The device killed, or its disk failing, at every step of its way over to a server that was put back from a backup: what it
// knew is given back once, whole.
#include "tests/support/seeds.h"
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

enum class Fault { kNone, kKill, kFail };

class RestoreKillTest : public SyncEngineTest {
 protected:
  /// One device, one restore, with a fault at the step of that number. Returns how many steps there were.
  int run(Fault fault, int number) {
    const std::string at = directory_ + "/" + std::to_string(runs_++), copy = at + "-killed";
    TestVolume volume(9);
    int steps = 0;
    bool armed = false, dead = false, fired = false;
    std::string where;
    PosixDisk disk([&](const FaultPoint& point) {
      if (dead) return EIO;
      if (!armed || point.name == "file.read" || point.name == "disk.open") return 0;
      if (steps++ != number || fault == Fault::kNone) return 0;
      fired = true;
      where = std::string(point.name) + " " + std::string(point.detail);
      points_.insert(std::string(point.name));
      if (fault == Fault::kKill) {
        std::filesystem::copy(at, copy, std::filesystem::copy_options::recursive);
        dead = true;
      }
      return EIO;
    });
    SyncDevice a(volume, "anna", 1, at, {.disk = &disk, .stepped = true});
    a.remote().carry = [&](std::string_view) { return dead ? Status(Error(Code::kOffline, "killed")) : Status(); };
    a.remote().carry_commit = [&](const SignedCommit& commit, const FakeVolumeRemote::Deliver& deliver) {
      return dead ? Result<protocol::CommitReply>(Error(Code::kOffline, "killed")) : deliver(commit);
    };
    a.make_directory("d");
    a.write("old", noise(9000, 1));
    a.write("gone", "x");
    EXPECT_TRUE(a.engine().step().ok());
    const auto backup = volume.server.back_up();
    a.write("old", noise(12000, 2));
    a.unlink("gone");
    a.rename("d", "moved");
    a.write("moved/new", noise(20000, 3));
    EXPECT_TRUE(a.engine().step().ok());
    a.write("pending", "not sent yet");
    const auto before = a.tree();
    volume.server.put_back(*backup);
    armed = true;
    for (int i = 0; i < 6 && !dead; ++i) (void)a.engine().step();
    armed = false;
    if (fault != Fault::kNone && !fired) return -1;
    if (fault == Fault::kKill) {
      a.abandon(copy, false);
    } else {
      a.stop();   // a failed sync is for good: a process goes on after a start only
    }
    dead = false;
    a.start();
    for (int i = 0; i < 6; ++i) (void)a.engine().step();
    const std::string when = " at step " + std::to_string(number) + ", " + where;
    EXPECT_EQ(a.engine().status().reason, "") << when;
    std::map<std::string, std::string> server;
    for (const auto& [path, plain] : volume.tree())
      server[path] = plain.attributes.type == FileType::kDirectory ? "dir" : plain.bytes;
    EXPECT_EQ(keys(server), keys(before)) << when;
    EXPECT_TRUE(server == before && a.tree() == before) << when;
    EXPECT_EQ(a.store().pending().records, 0u) << when;
    EXPECT_EQ(a.store().position().epoch, volume.server.epoch()) << when;
    EXPECT_NO_THROW(a.check()) << when;
    return steps;
  }
  int runs_ = 0;
  std::set<std::string> points_;
};

TEST_F(RestoreKillTest, AtEveryStepOfARestore) {
  const int steps = run(Fault::kNone, 0);
  const auto every = static_cast<int>(skymoor::testing::number_from("SKYMOOR_RESTORE_STEP", 1));
  int faults = 0;
  for (Fault fault : {Fault::kKill, Fault::kFail})
    for (int number = 0; number < steps && !HasFailure(); number += every) faults += run(fault, number) >= 0;
  std::cout << faults << " faults in " << steps << " steps\n";
  EXPECT_GT(faults, steps / every);
  EXPECT_TRUE(points_.contains("journal.adopt")) << "the restore takes no tables over any more";
}

}  // namespace
}  // namespace skymoor::client
