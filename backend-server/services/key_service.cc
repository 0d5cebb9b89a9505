#include "backend-server/services/key_service.h"

#include "backend-server/metadata_store/guess_store.h"
#include "backend-server/services/lock_ranks.h"
#include "backend-server/services/random_id.h"
#include "shared/base/ip_address.h"
#include "shared/base/log.h"

namespace skymoor::server {
namespace {

// The secret file: magic, CRC-32C of the rest, 32 bytes for names that nobody has, the OPAQUE secrets.
constexpr std::string_view kMagic("skykeys1");
constexpr std::size_t kChecksumAt = 8, kNobodyAt = 12, kNobodyBytes = 32, kSecretsAt = kNobodyAt + kNobodyBytes;
constexpr std::size_t kMaxSecretFile = 4096;

struct SecretFile {
  crypto::opaque::ServerSecrets secrets;
  crypto::SecretBytes nobody_key;
};

Result<SecretFile> parse_secret_file(ByteView content) {
  Error damaged(Code::kCorrupt, "the key service's secret file is damaged: restore it from your copy of it");
  if (content.size() <= kSecretsAt || as_text(content.first(kMagic.size())) != kMagic) return damaged;
  ByteReader checksum(content.subspan(kChecksumAt, 4));
  if (checksum.u32() != crc32c(content.subspan(kNobodyAt))) return damaged;
  return SecretFile{TRY(crypto::opaque::ServerSecrets::parse(content.subspan(kSecretsAt))),
                    crypto::SecretBytes(content.subspan(kNobodyAt, kNobodyBytes))};
}

Result<SecretFile> load_secret_file(Disk& disk, const std::string& path) {
  Bytes content = TRY(read_file(disk, path, kMaxSecretFile));
  auto parsed = parse_secret_file(content);
  std::fill(content.begin(), content.end(), std::uint8_t{0});
  return parsed;
}

Result<SecretFile> create_secret_file(Disk& disk, const std::string& path, Random& random) {
  SecretFile made{crypto::opaque::ServerSecrets::generate(random), crypto::SecretBytes(kNobodyBytes)};
  random.fill(made.nobody_key.mutable_view());
  crypto::SecretBytes secrets = made.secrets.serialize();
  crypto::SecretBytes content(kSecretsAt + secrets.size());
  auto out = content.mutable_view();
  std::copy(kMagic.begin(), kMagic.end(), out.begin());
  std::copy_n(made.nobody_key.view().begin(), kNobodyBytes, out.begin() + kNobodyAt);
  std::copy_n(secrets.view().begin(), secrets.size(), out.begin() + kSecretsAt);
  ByteWriter checksum;
  checksum.u32(crc32c(content.view().subspan(kNobodyAt)));
  std::copy_n(checksum.view().begin(), 4, out.begin() + kChecksumAt);
  TRY(write_file_durably(disk, path, content.view(), 0600));
  log_info("key_service.secret_created", {{"file", path}});
  return made;
}

Error limited(Timestamp until, Timestamp now) {
  auto wait = std::chrono::ceil<std::chrono::seconds>(until - now).count();
  return Error(Code::kRateLimited,
               "too many logins were tried; try again in " + std::to_string(std::max<std::int64_t>(wait, 1)) + " s");
}

Status judge(const KeyService::Limits& limits, const GuessHistory& history, Timestamp now) {
  const auto& account = history.account;
  if (!account.empty()) {
    if (account.size() >= static_cast<std::size_t>(limits.account_daily))
      return limited(account[account.size() - static_cast<std::size_t>(limits.account_daily)] + std::chrono::hours(24),
                     now);
    auto recent = std::count_if(account.begin(), account.end(),
                                [&](Timestamp t) { return t > now - limits.account_window; });
    if (recent >= limits.account_burst && now - account.back() < limits.account_pause)
      return limited(account.back() + limits.account_pause, now);
  }
  const auto& network = history.network;
  if (network.size() >= static_cast<std::size_t>(limits.network_hourly))
    return limited(network[network.size() - static_cast<std::size_t>(limits.network_hourly)] + std::chrono::hours(1),
                   now);
  return {};
}

}  // namespace

KeyService::KeyService(Options options, const Clock& clock, Random& random, crypto::opaque::ServerSecrets secrets,
                       crypto::SecretBytes nobody_key, std::unique_ptr<GuessStore> guesses)
    : options_(std::move(options)),
      clock_(clock),
      random_(random),
      secrets_(std::move(secrets)),
      nobody_key_(std::move(nobody_key)),
      guesses_(std::move(guesses)),
      mutex_(kLoginsRank, "logins") {}

KeyService::~KeyService() = default;

Result<std::unique_ptr<KeyService>> KeyService::open(Options options, Disk& disk, const Clock& clock,
                                                     Random& random) {
  bool there = disk.exists(options.secret_file);
  if (!there && !options.create)
    return Error(Code::kNotFound, options.secret_file +
                                      " is missing, and the users' keys cannot be rebuilt without it: restore it from "
                                      "your copy");
  SecretFile file = there ? TRY(load_secret_file(disk, options.secret_file))
                          : TRY(create_secret_file(disk, options.secret_file, random));
  auto guesses = TRY(open_sqlite_guess_store(options.counter_file));
  return std::unique_ptr<KeyService>(new KeyService(std::move(options), clock, random, std::move(file.secrets),
                                                    std::move(file.nobody_key), std::move(guesses)));
}

Result<std::int64_t> KeyService::count_guess(const std::string& account, const std::string& remote_address) {
  Timestamp now = clock_.now();
  Guess guess{account.empty() ? Hash256{} : crypto::sha256(as_bytes(account)), network_of(remote_address), now};
  return guesses_->add(guess, [&](const GuessHistory& history) { return judge(options_.limits, history, now); });
}

Result<Bytes> KeyService::registration_response(ByteView credential_id, ByteView request,
                                                const std::string& remote_address) {
  TRY(count_guess({}, remote_address));
  return crypto::opaque::server_registration_response(secrets_, credential_id, request);
}

Bytes KeyService::credential_id_of_nobody(const std::string& user_name) const {
  return to_bytes(crypto::hmac_sha256(nobody_key_.view(), {as_bytes(user_name)}).view());
}

Result<KeyService::LoginStarted> KeyService::start_login(const LoginRequest& request) {
  // No user name has a slash in it.
  const std::string whose = request.known_device.is_zero() ? request.parameters.user_name : "device/" + request.known_device.hex();
  std::int64_t guess = TRY(count_guess(whose, request.remote_address));
  auto answer = TRY(crypto::opaque::server_login(secrets_, request.parameters, request.record, request.credential_id,
                                                 request.ke1, random_));
  Login login{request.parameters.user_name, answer.ke2,           std::move(answer.expected_ke3), guess,
              !request.record.empty(),      clock_.now() + options_.login_lifetime};
  std::string id = TRY(remember(std::move(login)));
  return LoginStarted{std::move(id), std::move(answer.ke2)};
}

Result<std::string> KeyService::remember(Login login) {
  Timestamp now = clock_.now();
  std::string id = random_name(random_);
  MutexLock lock(mutex_);
  if (logins_.size() >= options_.max_logins)
    std::erase_if(logins_, [&](const auto& entry) { return entry.second.expires <= now; });
  if (logins_.size() >= options_.max_logins) return Error(Code::kBusy, "too many logins are under way; try again");
  logins_.emplace(id, std::move(login));
  return id;
}

Result<KeyService::LoginFinished> KeyService::finish_login(const std::string& login_id, ByteView ke3) {
  Login login;
  {
    MutexLock lock(mutex_);
    if (auto node = logins_.extract(login_id); !node.empty()) login = std::move(node.mapped());
  }
  bool in_time = clock_.now() < login.expires;
  bool right = crypto::constant_time_equal(ke3, login.expected_ke3);
  if (!right || !in_time || !login.known || login.expected_ke3.empty())
    return Error(Code::kWrongPassword, "wrong user name or password");
  // The login stands even where the counter cannot be cleared: that only makes the limit stricter.
  if (Status cleared = guesses_->forgive(login.guess); !cleared.ok())
    log_warn("key_service.guess_not_cleared", {{"error", cleared.error()}});
  return LoginFinished{std::move(login.user_name), std::move(login.ke2)};
}

}  // namespace skymoor::server
