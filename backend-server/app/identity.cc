#include "backend-server/app/identity.h"

#include <sys/stat.h>
#include <unistd.h>

#include "backend-server/app/backup_mark.h"
#include "shared/base/log.h"
#include "shared/base/settings.h"
#include "shared/crypto/certificate.h"

namespace skymoor::server {
namespace {

constexpr std::size_t kMaxPemBytes = 256 * 1024;
constexpr int kCertificateDays = 3650;

constexpr Setting kIdentityTable[] = {
    {"server-name", SettingType::kText, "skymoor", 0, 0, "name that logins are bound to"},
    {"scrypt-log-n", SettingType::kInteger, "17", 4, 24, "cost of stretching a password"},
};

constexpr const char* kBlocksExpected = "blocks.expected";

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

Error fixed(const std::string& name, const std::string& was) {
  return Error(Code::kInvalidArgument, name + " was " + was +
                                           " at the first start and cannot be changed: logins are bound "
                                           "to it. Start without it, or with a new data directory");
}

Status write_identity(Disk& disk, const std::string& path, const LoginIdentity& identity) {
  std::string text = "# Made at the first start. Logins are bound to these values: a change locks everybody out.\n";
  text += "server-name = " + quoted(identity.server_name) + "\n";
  text += "scrypt-log-n = " + std::to_string(identity.scrypt_log_n) + "\n";
  return write_file_durably(disk, path, as_bytes(text), 0600);
}

/// Names and addresses under which clients may reach this machine.
std::vector<std::string> host_names(const HttpOptions& http) {
  std::vector<std::string> hosts{"localhost", "127.0.0.1", "::1"};
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) == 0 && *name) hosts.emplace_back(name);
  bool particular = http.address != "0.0.0.0" && http.address != "::";
  if (particular && std::find(hosts.begin(), hosts.end(), http.address) == hosts.end()) hosts.push_back(http.address);
  return hosts;
}

Status make_tls_files(Disk& disk, const std::string& directory, const HttpOptions& http, Timestamp now) {
  auto made = TRY(crypto::make_certificate(host_names(http), kCertificateDays, now));
  // The key first: a certificate without its key would be found and used.
  TRY(write_file_durably(disk, directory + "/tls.key", made.private_key_pem.view(), 0600));
  return write_file_durably(disk, directory + "/tls.crt", as_bytes(made.certificate_pem), 0600);
}

}  // namespace

Result<LoginIdentity> load_or_make_login_identity(Disk& disk, const ServerConfig& config) {
  const std::string path = config.directory + "/server.toml";
  LoginIdentity identity;
  if (!disk.exists(path)) {
    identity.server_name = config.server_name.value_or(identity.server_name);
    identity.scrypt_log_n = config.scrypt_log_n.value_or(identity.scrypt_log_n);
    for (char c : identity.server_name)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
        return Error(Code::kInvalidArgument, "server-name: a control character");
    if (identity.server_name.size() > 255) return Error(Code::kInvalidArgument, "server-name: longer than 255 bytes");
    TRY(write_identity(disk, path, identity));
    return identity;
  }
  Settings settings(kIdentityTable);
  TRY(settings.load_toml(path));
  identity.server_name = settings.text("server-name");
  identity.scrypt_log_n = static_cast<std::uint32_t>(settings.number("scrypt-log-n"));
  if (config.server_name.value_or(identity.server_name) != identity.server_name)
    return fixed("server-name", "'" + identity.server_name + "'");
  if (config.scrypt_log_n.value_or(identity.scrypt_log_n) != identity.scrypt_log_n)
    return fixed("scrypt-log-n", std::to_string(identity.scrypt_log_n));
  return identity;
}

Status require_whole_data(Disk& disk, const std::string& directory) {
  if (const auto mark = TRY(load_backup_mark(disk, directory)); mark && !mark->complete)
    return Error(Code::kNotFound, directory + " is a backup that was not finished: 'skymoord backup' once more, or another one");
  auto there = [&](const char* file) { return disk.exists(directory + "/" + file); };
  auto lacks = [&](const char* file, const char* witness) {
    return Error(Code::kNotFound, directory + "/" + file + " is missing or empty, though " + witness +
                                      " is there: a server has run here. Put it back from a backup (the whole directory, of one "
                                      "time), or start with a new data directory");
  };
  struct stat database {};
  const bool has_database = ::stat((directory + "/metadata.db").c_str(), &database) == 0 && database.st_size > 0;
  // In the order in which they are made: a first start may have been cut short.
  for (const char* witness : {"metadata.db-wal", "keyservice.secret", "token.secret", kBlocksExpected})
    if (!has_database && there(witness)) return lacks("metadata.db", witness);
  if (!there("server.toml") && there("keyservice.secret")) return lacks("server.toml", "keyservice.secret");
  return {};
}

Status require_blocks(Disk& disk, const std::string& directory, std::uint64_t blocks) {
  const std::string expected = directory + "/" + kBlocksExpected;
  const bool held_some = disk.exists(expected);
  if (blocks > 0 && !held_some)
    return write_file_durably(disk, expected, as_bytes("This server has held blocks: it does not start without any.\n"), 0600);
  if (blocks > 0 || !held_some) return {};
  return Error(Code::kNotFound, directory + "/blocks holds no blocks, though it has held some: is its disk mounted? If they are lost "
                                    "for good, remove " + expected + " and start again: devices send what they still have");
}

Result<TlsFiles> load_or_make_tls(Disk& disk, const ServerConfig& config, Timestamp now) {
  std::string certificate_file = config.tls_certificate_file, key_file = config.tls_key_file;
  if (certificate_file.empty()) {
    certificate_file = config.directory + "/tls.crt";
    key_file = config.directory + "/tls.key";
    if (!disk.exists(certificate_file)) {
      TRY(make_tls_files(disk, config.directory, config.http, now));
      log_info("server.certificate_made", {{"file", certificate_file}, {"days", kCertificateDays}});
    }
  }
  Bytes certificate = TRY(read_file(disk, certificate_file, kMaxPemBytes));
  Bytes key = TRY(read_file(disk, key_file, kMaxPemBytes));
  TlsFiles files{{std::string(as_text(certificate)), std::string(as_text(key))}, {}};
  std::fill(key.begin(), key.end(), std::uint8_t{0});
  files.fingerprint = TRY(crypto::certificate_fingerprint(files.identity.certificate_pem));
  return files;
}

Status require_server_data(Disk& disk, const std::string& directory, const std::string& file) {
  if (disk.exists(directory + "/" + file)) return {};
  const auto entries = disk.list(directory);
  if (!entries.ok() && entries.error().code() == Code::kPermissionDenied)
    return Error(Code::kPermissionDenied, directory + " belongs to another user: run this as the user that the server runs as");
  return Error(Code::kNotFound, "no server data in " + directory + ": has a server run there? (--data DIR)");
}

Result<std::string> read_fingerprint(Disk& disk, const std::string& directory) {
  TRY(require_server_data(disk, directory, "tls.crt"));
  Bytes certificate = TRY(read_file(disk, directory + "/tls.crt", kMaxPemBytes));
  return crypto::certificate_fingerprint(as_text(certificate));
}

}  // namespace skymoor::server
