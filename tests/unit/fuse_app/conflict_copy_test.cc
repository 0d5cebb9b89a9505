#include "fuse/app/conflicts/conflict_copy.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fuse/sync/plan/conflict_name.h"
#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
std::string read(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}
std::string copy_name(const std::string& name, bool directory = false, unsigned attempt = 0) {
  return conflict_name(name, directory, {"Ada's laptop", Timestamp{std::chrono::hours(24 * 20000)}, {WriterId{0x1f}, 77}, attempt});
}
Status held(const std::string&) { return {}; }

TEST(ConflictCopy, NamesAreReadAsTheyAreMade) {
  for (const char* original : {"note.txt", "no extension", ".hidden", "a.tar.gz", "name (with) parts.odt"})
    for (unsigned attempt : {0u, 3u}) {
      auto parsed = parse_conflict_name(copy_name(original, false, attempt));
      ASSERT_TRUE(parsed) << original;
      EXPECT_EQ(parsed->original, original);
      EXPECT_EQ(parsed->device, "Ada's laptop");
      EXPECT_EQ(parsed->date, "2024-10-04");
      EXPECT_EQ(parsed->writer, WriterId{0x1f});
    }
  EXPECT_EQ(parse_conflict_name(copy_name("dir.d", true))->original, "dir.d");
}

TEST(ConflictCopy, OtherNamesAreNone) {
  for (const char* name : {"note.txt", "note (conflict).txt", "note (conflict x).txt", "note (conflict x 2024-10-04).txt",
                           "note (conflict x 2024-10-4 1-2).txt", "note (conflict x 2024-10-04 zz-2).txt",
                           " (conflict x 2024-10-04 1-2)", "note (conflict x 2024-10-04 1-2) more.txt",
                           "note (conflict x 2024-10-04 1).txt", ""})
    EXPECT_FALSE(parse_conflict_name(name)) << name;
}

TEST(ConflictCopy, AreFoundBelowADirectory) {
  testing::TempDir directory;
  std::filesystem::create_directories(directory / "a/b");
  write(directory / "a/b/" + copy_name("x.txt"), "x");
  write(directory / copy_name("y"), "y");
  write(directory / "plain", "p");
  std::filesystem::create_directory_symlink(directory.path(), directory / "a/loop");
  std::size_t unreadable = 0;
  auto found = find_conflicts(directory.path(), [&](const Error&) { ++unreadable; });
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].original_path(), directory / "a/b/x.txt");
  EXPECT_EQ(found[1].original_path(), directory / "y");
  EXPECT_EQ(unreadable, 0u);
  (void)find_conflicts(directory / "missing", [&](const Error&) { ++unreadable; });
  EXPECT_EQ(unreadable, 1u);
}

TEST(ConflictCopy, EitherSideOrBothAreKept) {
  testing::TempDir directory;
  const std::string original = directory / "note.txt";
  ConflictCopy copy{directory / copy_name("note.txt"), *parse_conflict_name(copy_name("note.txt"))};
  auto make = [&] {
    write(original, "original");
    write(copy.path, "copy");
  };
  make();
  std::vector<std::string> asked;
  auto hold = [&](const std::string& path) {
    asked.push_back(path);
    return Status();
  };
  EXPECT_EQ(*resolve_conflict(copy, ConflictSide::kCopy, "/tmp", hold), original);
  EXPECT_EQ(read(original), "copy");
  EXPECT_EQ(asked, std::vector<std::string>{original});
  make();
  EXPECT_EQ(*resolve_conflict(copy, ConflictSide::kOriginal, "/tmp", held), "");
  EXPECT_EQ(read(original), "original");
  EXPECT_FALSE(std::filesystem::exists(copy.path));
  make();
  write(directory / "note (Ada's laptop 2024-10-04).txt", "taken");
  const std::string kept = *resolve_conflict(copy, ConflictSide::kBoth, "/tmp", held);
  EXPECT_EQ(kept, directory / "note (Ada's laptop 2024-10-04 1).txt");
  EXPECT_EQ(read(kept), "copy");
  EXPECT_FALSE(parse_conflict_name(std::filesystem::path(kept).filename().string()));
}

TEST(ConflictCopy, NothingGoesThatCannotBeHeldOrHasNoOther) {
  testing::TempDir directory;
  const std::string original = directory / "note";
  ConflictCopy copy{directory / copy_name("note"), *parse_conflict_name(copy_name("note"))};
  write(copy.path, "copy");
  EXPECT_EQ(resolve_conflict(copy, ConflictSide::kOriginal, "/tmp", held).error().code(), Code::kNotFound);
  write(original, "original");
  auto refuse = [](const std::string&) -> Status { return Error(Code::kOffline, "away"); };
  for (auto side : {ConflictSide::kCopy, ConflictSide::kOriginal})
    EXPECT_EQ(resolve_conflict(copy, side, "/tmp", refuse).error().code(), Code::kOffline);
  EXPECT_EQ(read(original), "original");
  EXPECT_EQ(read(copy.path), "copy");
  std::filesystem::remove(original);
  std::filesystem::create_directory(original);
  EXPECT_EQ(resolve_conflict(copy, ConflictSide::kCopy, "/tmp", held).error().code(), Code::kIsDirectory);
}

}  // namespace
}  // namespace skymoor::client
