#include "shared/base/fault_plan.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace skymoor {
namespace {

struct PlanTest : ::testing::Test {
  testing::TempDir dir;
  std::string report = dir.path() + "/report";

  FaultHook hook(std::string_view text) {
    auto plan = parse_fault_plan(text);
    EXPECT_TRUE(plan.ok()) << text;
    return fault_hook(*plan, report);
  }
  std::string reported() {
    PosixDisk disk;
    auto text = read_file(disk, report, 4096);
    return text.ok() ? std::string(as_text(*text)) : "";
  }
};

TEST_F(PlanTest, FailsTheNamedStepOnceAndReportsIt) {
  auto fail = hook("EIO:file.sync:2:/log-");
  EXPECT_EQ(fail({"file.sync", "/other"}), 0);
  EXPECT_EQ(fail({"file.write", "/log-1"}), 0);
  EXPECT_EQ(fail({"file.sync", "/log-1"}), 0);
  EXPECT_EQ(reported(), "");
  EXPECT_EQ(fail({"file.sync", "/log-1"}), EIO);
  EXPECT_EQ(reported(), "fired file.sync /log-1\n");
  EXPECT_EQ(fail({"file.sync", "/log-1"}), 0);
}

TEST_F(PlanTest, FromAStepOnEveryLaterOneFails) {
  auto fail = hook("ENOSPC:file.*:2+");
  EXPECT_EQ(fail({"file.write", "a"}), 0);
  EXPECT_EQ(fail({"file.sync", "a"}), ENOSPC);
  EXPECT_EQ(fail({"disk.rename", "a"}), 0);
  EXPECT_EQ(fail({"file.write", "a"}), ENOSPC);
}

TEST_F(PlanTest, IsCarriedOutOnceAlsoWhenTheProcessStartsAnew) {
  EXPECT_EQ(hook("EIO:file.sync:1")({"file.sync", "a"}), EIO);
  EXPECT_FALSE(hook("EIO:file.sync:1"));
}

TEST_F(PlanTest, SeenReportsEachPointOnceAndFailsNothing) {
  auto seen = hook("seen:*:1");
  for (const char* name : {"a.b", "c.d", "a.b"}) EXPECT_EQ(seen({name, ""}), 0);
  EXPECT_EQ(reported(), "seen a.b\nseen c.d\n");
}

TEST_F(PlanTest, NothingFailsThatCouldNotBeReported) {
  report = dir.path() + "/missing/report";
  EXPECT_EQ(hook("EIO:file.sync:1")({"file.sync", "a"}), 0);
}

TEST_F(PlanTest, KillsAndTears) {
  EXPECT_EXIT(hook("kill:journal.checkpoint:1")({"journal.checkpoint", ""}), ::testing::KilledBySignal(SIGKILL), "");
  report = dir.path() + "/torn";
  const std::string path = dir.path() + "/file";
  EXPECT_EXIT(
      {
        PosixDisk disk(hook("tear:file.write:1"));
        auto file = disk.open(path, {.create = true});
        (void)(*file)->write_at(0, as_bytes("12345678"));
      },
      ::testing::KilledBySignal(SIGKILL), "");
  PosixDisk disk;
  EXPECT_EQ(as_text(*read_file(disk, path, 100)), "1234");
}

TEST(FaultPlanText, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"", "stop:a:1", "kill", "kill::1", "kill:a:0", "kill:a:x", "kill:a"})
    EXPECT_FALSE(parse_fault_plan(text).ok()) << text;
}

}  // namespace
}  // namespace skymoor
