#include "backend-server/app/server_settings.h"

#include <unistd.h>

#include <charconv>
#include <cstdlib>

namespace skymoor::server {
namespace {

constexpr std::int64_t kMinute = 60'000, kDay = 86'400'000;

constexpr Setting kTable[] = {
    {"data", SettingType::kText, "", 0, 0, "data directory; empty: /var/lib/skymoord, or $XDG_DATA_HOME/skymoord"},
    {"listen", SettingType::kText, "0.0.0.0:7443", 0, 0, "ADDRESS:PORT to listen on; port 0: any free one"},
    {"server-name", SettingType::kText, "skymoor", 0, 0,
     "name that logins are bound to; cannot be changed after the first start"},
    {"allow-signup", SettingType::kBool, "true", 0, 0, "whether anybody who reaches the server may make an account"},
    {"scrypt-log-n", SettingType::kInteger, "17", 4, 24,
     "cost of stretching a password at the client; cannot be changed after the first start"},
    {"default-quota", SettingType::kBytes, "0", 0, 0, "quota of new volumes; 0: none"},
    {"tls", SettingType::kText, "on", 0, 0, "off: plain HTTP, for a proxy on the same machine only", "on|off"},
    {"tls-certificate", SettingType::kText, "", 0, 0,
     "PEM file; empty: the server makes its own in the data directory"},
    {"tls-key", SettingType::kText, "", 0, 0, "PEM file of the certificate's private key"},
    {"trusted-proxies", SettingType::kText, "", 0, 0,
     "addresses and networks of proxies whose X-Forwarded-For says who asks, with commas between; behind a proxy that is not "
     "named here all clients count as one network"},
    {"access-token-lifetime", SettingType::kDuration, "10m", kMinute, 60 * kMinute, "how long an access token is good"},
    {"refresh-retry", SettingType::kDuration, "10m", 0, 7 * kDay,
     "how long a device that lost the answer to a renewal of its login may ask again, unless the new one was used; 0: never"},
    {"logins-per-network", SettingType::kInteger, "100", 1, 1'000,
     "logins and signups per hour from one IPv4 /24 or IPv6 /64"},
    {"io-threads", SettingType::kInteger, "0", 0, 64, "threads for connections; 0: by the number of processors"},
    {"worker-threads", SettingType::kInteger, "0", 0, 512, "threads for requests; 0: by the number of processors"},
    {"max-connections", SettingType::kInteger, "2000", 1, 1'000'000, "connections at the same time; more are closed"},
    {"metrics-for-all", SettingType::kBool, "false", 0, 0, "whether /metrics answers others than this machine"},
    {"scrub-every", SettingType::kDuration, "30d", kMinute, 3650 * kDay, "how often all blocks are read and checked"},
    {"log-level", SettingType::kText, "info", 0, 0, "what is logged", "error|warn|info|debug"},
    {"log-file", SettingType::kText, "", 0, 0, "file to log to, rotated; empty: standard error"},
    {"log-json", SettingType::kBool, "false", 0, 0, "one JSON object a line instead of text"},
};

Status split_listen(const std::string& listen, HttpOptions& http) {
  auto colon = listen.rfind(':');
  std::string port = colon == std::string::npos ? "" : listen.substr(colon + 1);
  auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), http.port);
  if (port.empty() || failure != std::errc() || end != port.data() + port.size())
    return Error(Code::kInvalidArgument, "listen: '" + listen + "' is not like 0.0.0.0:7443 or [::]:7443");
  http.address = listen.substr(0, colon);
  if (http.address.size() > 2 && http.address.front() == '[' && http.address.back() == ']')
    http.address = http.address.substr(1, http.address.size() - 2);
  return {};
}

std::size_t threads_or(std::int64_t setting, std::size_t otherwise) {
  return setting > 0 ? static_cast<std::size_t>(setting) : otherwise;
}

}  // namespace

std::span<const Setting> server_settings_table() { return kTable; }

std::string default_data_directory() {
  if (::geteuid() == 0) return "/var/lib/skymoord";
  if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data == '/') return std::string(data) + "/skymoord";
  const char* home = std::getenv("HOME");
  return std::string(home ? home : ".") + "/.local/share/skymoord";
}

std::string data_directory_of(const Settings& settings) {
  return settings.text("data").empty() ? default_data_directory() : settings.text("data");
}

Result<ServerConfig> server_config_of(const Settings& settings) {
  ServerConfig config;
  config.directory = data_directory_of(settings);
  TRY(split_listen(settings.text("listen"), config.http));
  std::size_t processors = std::max(1u, std::thread::hardware_concurrency());
  config.http.io_threads = threads_or(settings.number("io-threads"), std::clamp<std::size_t>(processors / 2, 1, 8));
  config.http.worker_threads = threads_or(settings.number("worker-threads"), std::max<std::size_t>(8, 2 * processors));
  config.http.max_connections = static_cast<std::size_t>(settings.number("max-connections"));
  config.tls = settings.text("tls") == "on";
  config.tls_certificate_file = settings.text("tls-certificate");
  config.tls_key_file = settings.text("tls-key");
  if (config.tls_certificate_file.empty() != config.tls_key_file.empty())
    return Error(Code::kInvalidArgument, "tls-certificate and tls-key belong together: give both or none");
  auto proxies = TrustedProxies::parse(settings.text("trusted-proxies"));
  if (!proxies.ok()) return Error(Code::kInvalidArgument, "trusted-proxies: " + proxies.error().message());
  config.http.trusted_proxies = std::move(*proxies);
  if (!settings.is_default("server-name")) config.server_name = settings.text("server-name");
  if (settings.text("server-name").empty()) return Error(Code::kInvalidArgument, "server-name: must not be empty");
  if (!settings.is_default("scrypt-log-n"))
    config.scrypt_log_n = static_cast<std::uint32_t>(settings.number("scrypt-log-n"));
  config.allow_signup = settings.flag("allow-signup");
  config.default_quota_bytes = static_cast<std::uint64_t>(settings.number("default-quota"));
  config.access_lifetime = std::chrono::seconds(settings.number("access-token-lifetime") / 1000);
  config.refresh_retry = std::chrono::seconds(settings.number("refresh-retry") / 1000);
  config.logins_per_network = static_cast<int>(settings.number("logins-per-network"));
  config.metrics_for_all = settings.flag("metrics-for-all");
  config.scrub_every = std::chrono::milliseconds(settings.number("scrub-every"));
  return config;
}

}  // namespace skymoor::server
