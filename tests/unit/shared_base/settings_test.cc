#include "shared/base/settings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace skymoor {
namespace {

constexpr Setting kTable[] = {
    {"cache-size", SettingType::kBytes, "10GiB", 1 << 20, 1ll << 50, "how much clean data is kept"},
    {"read-timeout", SettingType::kDuration, "30s", 100, 3600000, "how long a read waits"},
    {"fsync", SettingType::kText, "local", 0, 0, "what fsync waits for", "local|remote"},
    {"debug", SettingType::kBool, "false", 0, 0, "trace"},
    {"threads", SettingType::kInteger, "2", 1, 64, "threads"},
};

TEST(Settings, DefaultsAndUnits) {
  Settings s(kTable);
  EXPECT_EQ(s.number("cache-size"), 10ll << 30);
  EXPECT_EQ(s.number("read-timeout"), 30000);
  ASSERT_TRUE(s.set("read-timeout", "5m").ok());
  EXPECT_EQ(s.number("read-timeout"), 300000);
  ASSERT_TRUE(s.set("debug", "").ok()) << "a bare option is on";
  EXPECT_TRUE(s.flag("debug"));
}

TEST(Settings, SaysWhatIsWrongAndWhatIsMeant) {
  Settings s(kTable);
  auto unknown = s.set("cache-sise", "1GiB");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message().find("did you mean 'cache-size'"), std::string::npos);
  EXPECT_FALSE(s.set("cache-size", "12 parsecs").ok());
  EXPECT_FALSE(s.set("cache-size", "1").ok()) << "below the least";
  EXPECT_FALSE(s.set("fsync", "sometimes").ok());
  EXPECT_FALSE(s.set("threads", "2x").ok());
  EXPECT_FALSE(s.set("debug", "maybe").ok());
  EXPECT_FALSE(s.set("cache-size", "9999999999999TiB").ok()) << "no overflow";
}

TEST(Settings, FilesNameTheLine) {
  std::string path = "/tmp/skymoor-settings-" + std::to_string(getpid());
  std::ofstream(path) << "threads = 4\ndebug = true\n\nfsnyc = \"remote\"\n";
  Settings s(kTable);
  auto loaded = s.load_toml(path);
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().message().find(path + ":4"), std::string::npos) << loaded.error().message();
  std::ofstream(path) << "count = 7\n [::]\n";
  auto table = s.load_toml(path);
  ASSERT_FALSE(table.ok());
  EXPECT_NE(table.error().message().find(":2: settings are not in tables"), std::string::npos) << table.error().message();
  EXPECT_EQ(s.load_toml(path + ".missing").error().code(), Code::kNotFound);
  std::ofstream(path) << s.sample_toml();
  EXPECT_TRUE(Settings(kTable).load_toml(path).ok());
  unlink(path.c_str());
}

TEST(Format, ForPeople) {
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(12), "12 B");
  EXPECT_EQ(format_duration_ms(125000), "2 min 5 s");
}

}  // namespace
}  // namespace skymoor
