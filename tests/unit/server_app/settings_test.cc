#include "backend-server/app/server_settings.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace skymoor::server {
namespace {

Result<ServerConfig> config_with(std::initializer_list<std::pair<const char*, const char*>> values) {
  Settings settings(server_settings_table());
  for (const auto& [name, value] : values) TRY(settings.set(name, value));
  return server_config_of(settings);
}

TEST(ServerSettings, ListenTakesIpv4AndIpv6) {
  EXPECT_EQ(config_with({})->http.port, 7443);
  EXPECT_EQ(config_with({{"listen", "127.0.0.1:0"}})->http.address, "127.0.0.1");
  auto six = config_with({{"listen", "[::1]:9000"}});
  EXPECT_EQ(six->http.address, "::1");
  EXPECT_EQ(six->http.port, 9000);
  for (const char* bad : {"", "127.0.0.1", ":x", "1.2.3.4:", "1.2.3.4:99999", "1.2.3.4:-1", "1.2.3.4:80x"})
    EXPECT_EQ(config_with({{"listen", bad}}).error().code(), Code::kInvalidArgument) << bad;
}

TEST(ServerSettings, EveryThreadCountHasAWorkingDefault) {
  auto config = config_with({});
  EXPECT_GE(config->http.io_threads, 1u);
  EXPECT_GE(config->http.worker_threads, 8u);
  EXPECT_EQ(config_with({{"worker-threads", "3"}})->http.worker_threads, 3u);
}

TEST(ServerSettings, WhatIsNotGivenStaysAsAtTheFirstStart) {
  EXPECT_FALSE(config_with({})->server_name);
  EXPECT_EQ(config_with({{"server-name", "x"}})->server_name, "x");
  EXPECT_EQ(config_with({{"scrypt-log-n", "15"}})->scrypt_log_n, 15u);
  EXPECT_FALSE(config_with({{"scrypt-log-n", "3"}}).ok());
  EXPECT_FALSE(config_with({{"server-name", ""}}).ok());
}

TEST(ServerSettings, ALostRenewalMayBeAskedForAgainForTenMinutes) {
  EXPECT_EQ(config_with({})->refresh_retry, std::chrono::minutes(10));
  EXPECT_EQ(config_with({{"refresh-retry", "0"}})->refresh_retry.count(), 0);
  EXPECT_FALSE(config_with({{"refresh-retry", "8d"}}).ok()) << "longer than spent tokens are kept";
}

TEST(ServerSettings, CertificateAndKeyBelongTogether) {
  EXPECT_FALSE(config_with({{"tls-key", "k"}}).ok());
  EXPECT_TRUE(config_with({{"tls-key", "k"}, {"tls-certificate", "c"}}).ok());
}

TEST(ServerSettings, TheSampleFileLoadsWhenItsLinesAreUncommented) {
  Settings settings(server_settings_table());
  std::string sample = settings.sample_toml(), text;
  for (std::size_t at = 0, end; at < sample.size(); at = end + 1) {
    end = sample.find('\n', at);
    std::string line = sample.substr(at, end - at);
    if (line.starts_with("#") && !line.starts_with("# ")) line.erase(0, 1);
    text += line + "\n";
  }
  testing::TempDir directory;
  std::ofstream(directory / "all.toml") << text;
  Status loaded = settings.load_toml(directory / "all.toml");
  EXPECT_TRUE(loaded.ok()) << loaded.error().message();
  for (const Setting& setting : server_settings_table()) EXPECT_TRUE(settings.is_default(setting.name)) << setting.name;
}

}  // namespace
}  // namespace skymoor::server
