#include "shared/base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

namespace skymoor {
namespace {

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/skymoor-file-XXXXXX";
    root_ = mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string path(const std::string& name) { return root_ + "/" + name; }
  std::string root_;
};

TEST_F(FileTest, ReadsBackWhatWasWrittenAndStopsAtTheEnd) {
  PosixDisk disk;
  auto file = disk.open(path("f"), {.create = true}).value();
  ASSERT_TRUE(file->write_at(3, as_bytes("hello")).ok());
  Bytes out(100);
  EXPECT_EQ(file->read_at(0, out).value(), 8u);
  EXPECT_EQ(as_text(ByteView(out).subspan(3, 5)), "hello");
  EXPECT_EQ(file->size().value(), 8u);
  EXPECT_TRUE(file->sync().ok());
}

TEST_F(FileTest, DurableWriteReplacesWholeAndKeepsTheMode) {
  PosixDisk disk;
  ASSERT_TRUE(write_file_durably(disk, path("s"), as_bytes("a longer first version"), 0600).ok());
  ASSERT_TRUE(write_file_durably(disk, path("s"), as_bytes("second"), 0600).ok());
  EXPECT_EQ(read_file(disk, path("s"), 100).value(), to_bytes("second"));
  struct stat st;
  ASSERT_EQ(stat(path("s").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  EXPECT_EQ(disk.list(root_).value(), std::vector<std::string>{"s"});
  EXPECT_EQ(read_file(disk, path("s"), 3).error().code(), Code::kTooLarge);
}

TEST_F(FileTest, EveryStepOfADurableWriteCanFailAndLosesNothing) {
  for (int failing = 0;; ++failing) {
    int step = 0;
    bool fired = false;
    PosixDisk good;
    ASSERT_TRUE(write_file_durably(good, path("s"), as_bytes("old")).ok());
    PosixDisk disk([&](const FaultPoint&) {
      if (step++ != failing) return 0;
      fired = true;
      return ENOSPC;
    });
    Status done = write_file_durably(disk, path("s"), as_bytes("new"));
    if (!fired) {
      ASSERT_GT(failing, 4) << "the sweep reached every step";
      break;
    }
    EXPECT_EQ(done.error().code(), Code::kNoSpace);
    Bytes content = read_file(good, path("s"), 100).value();
    EXPECT_TRUE(content == to_bytes("old") || content == to_bytes("new"));
  }
}

TEST_F(FileTest, DirectoryLockHoldsAndNamesTheHolder) {
  auto first = lock_directory(root_);
  ASSERT_TRUE(first.ok());
  auto second = lock_directory(root_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), Code::kBusy);
  EXPECT_NE(second.error().message().find(std::to_string(getpid())), std::string::npos);
  first->reset();
  EXPECT_TRUE(lock_directory(root_).ok());
}

TEST_F(FileTest, MakesDirectoriesAndReportsWhatIsInTheWay) {
  PosixDisk disk;
  EXPECT_TRUE(disk.make_directories(path("a/b/c"), 0700).ok());
  EXPECT_TRUE(disk.make_directories(path("a/b/c"), 0700).ok());
  ASSERT_TRUE(write_file_durably(disk, path("file"), as_bytes("x")).ok());
  EXPECT_FALSE(disk.make_directories(path("file"), 0700).ok());
  EXPECT_EQ(disk.open(path("none"), {}).error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace skymoor
