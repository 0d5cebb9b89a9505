// Every name, size and time that a filesystem may hold arrives on a second device byte by byte.
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

std::vector<std::string> hard_names() {
  std::vector<std::string> names{std::string(255, 'n'), "\xc3\xa9", "e\xcc\x81", "\xff\xfe invalid", "\xc3",
                                 "\xed\xa0\x80", "\n", "a\nb", "\r", "\t", " ", "trailing ", " leading", "-rf", "--",
                                 "~", "a\\b", "a:b", "CON", "con", "Con", "*", "?", "\"", "'", "$(x)", "%2e%2e",
                                 "...", ".hidden", "a.", "\xe2\x80\xae" "rtl",
                                 "\xf0\x9f\x98\x80", "\x01", "\x7f", "NAME", "name", "na\xcc\x88me", "n\xc3\xa4me",
                                 std::string(254, '\xff') + "x", "file (conflict anna 2024-01-01 1-1).txt"};
  std::string all;
  for (int byte = 1; byte < 256; ++byte)
    if (byte != '/') all += static_cast<char>(byte);
  names.push_back(all);
  return names;
}

TEST_F(SyncEngineTest, EveryNameArrivesOnASecondDevice) {
  SyncDevice a(volume_, "anna", 1, directory_ + "/a", {.stepped = true});
  SyncDevice b(volume_, "berta", 2, directory_ + "/b", {.stepped = true});
  const auto names = hard_names();
  a.make_directory("files");
  a.make_directory("folders");
  a.make_directory("links");
  for (std::size_t i = 0; i < names.size(); ++i) {
    a.write("files/" + names[i], "content " + std::to_string(i));
    a.make_directory("folders/" + names[i]);
    a.write("folders/" + names[i] + "/inner", names[i]);
    a.symlink(names[i], "links/" + names[i]);
    a.set_xattr("files/" + names[i], "user." + names[i].substr(0, 200), names[i]);
  }
  ASSERT_TRUE(a.engine().step().ok());
  ASSERT_TRUE(b.engine().step().ok());
  const auto tree = b.tree();
  EXPECT_EQ(tree.size(), 3 + 4 * names.size());
  EXPECT_TRUE(tree == a.tree());
  EXPECT_EQ(a.facts(), b.facts());
  // And what happens to them on the second comes back.
  for (const std::string& name : names) b.rename("files/" + name, "folders/" + name + "/moved");
  ASSERT_TRUE(b.engine().step().ok());
  ASSERT_TRUE(a.engine().step().ok());
  EXPECT_TRUE(a.tree() == b.tree());
  a.check();
  b.check();
}

TEST_F(SyncEngineTest, EverySizeTimeAndDepthArrivesOnASecondDevice) {
  SyncDevice a(volume_, "anna", 1, directory_ + "/a", {.stepped = true});
  SyncDevice b(volume_, "berta", 2, directory_ + "/b", {.stepped = true});
  a.write("empty", "");
  a.write("sparse", "begin");
  a.truncate("sparse", 1ull << 40);
  a.write_at("sparse", (1ull << 40) - 3, "end");
  a.set_xattr("empty", "user.large", noise(65536, 3));
  a.set_xattr("empty", "user.none", "");
  const std::vector<std::int64_t> seconds{-1, -2'208'988'800, 0, 1'700'000'000, 4'294'967'296, 9'000'000'000};
  for (std::int64_t at : seconds) {
    a.write("time" + std::to_string(at), "t");
    a.set_mtime("time" + std::to_string(at), Timestamp{std::chrono::nanoseconds(at * 1'000'000'000 + (at < 0 ? -7 : 7))});
  }
  std::string deep = "deep";
  a.make_directory(deep);
  for (int i = 0; i < 300; ++i) a.make_directory(deep += "/d");
  a.write(deep + "/bottom", "reached");
  for (int i = 0; i < 1000; ++i) a.link("empty", "deep/link" + std::to_string(i));
  ASSERT_TRUE(a.engine().step().ok());
  ASSERT_TRUE(b.engine().step().ok());
  EXPECT_EQ(b.read(deep + "/bottom"), "reached");
  EXPECT_EQ(a.facts(), b.facts());
  EXPECT_EQ(b.node("sparse").attributes.size, 1ull << 40);
  EXPECT_EQ(b.read("sparse", 0, 7), std::string("begin\0\0", 7));
  EXPECT_EQ(b.read("sparse", (1ull << 40) - 5, 100), std::string("\0\0end", 5));
  EXPECT_EQ(b.read("empty"), "");
  EXPECT_EQ(b.node("deep/link999").links, 1001u);
  b.check();
}

}  // namespace
}  // namespace skymoor::client
