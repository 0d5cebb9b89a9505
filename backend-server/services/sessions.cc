#include "backend-server/services/sessions.h"

#include "backend-server/metadata_store/metadata_store.h"
#include "backend-server/services/random_id.h"
#include "shared/base/log.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/token.h"

namespace skymoor::server {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr auto kSpentKept = std::chrono::hours(24 * 7);     // a reuse that is noticed later only fails
constexpr auto kExpiredKept = std::chrono::hours(24 * 30);

Error refused() { return Error(Code::kUnauthenticated, "the token is not valid: log in again"); }

Result<crypto::KeyPair> load_or_create_key(const std::string& path, Disk& disk, Random& random) {
  if (!disk.exists(path)) {
    crypto::KeyPair key = crypto::ed25519_generate(random);
    TRY(write_file_durably(disk, path, key.seed.view(), 0600));
    return key;
  }
  Bytes seed = TRY(read_file(disk, path, 4096));
  if (seed.size() != kTokenBytes) return Error(Code::kCorrupt, path + " is not a token key; remove it to make a new one");
  crypto::KeyPair key = crypto::ed25519_from_seed(seed);
  std::fill(seed.begin(), seed.end(), std::uint8_t{0});
  return key;
}

Result<Hash256> hash_of_token(std::string_view token) {
  auto bytes = base64url_decode(token);
  if (!bytes.ok() || bytes->size() != kTokenBytes) return refused();
  return crypto::sha256(*bytes);
}

}  // namespace

Result<std::unique_ptr<SessionService>> SessionService::open(Options options, MetadataStore& store, Disk& disk,
                                                             const Clock& clock, Random& random) {
  crypto::KeyPair key = TRY(load_or_create_key(options.secret_file, disk, random));
  return std::unique_ptr<SessionService>(
      new SessionService(std::move(options), store, clock, random, std::move(key)));
}

Result<Caller> SessionService::verify(std::string_view access_token, const std::string& remote_address) {
  auto claims = crypto::verify_access_token(key_.public_key, options_.issuer, options_.audience, access_token,
                                            clock_.now());
  if (!claims.ok()) return refused();
  return read_from(store_, [&](const ReadTables& tables) -> Result<Caller> {
    auto session = TRY(tables.sessions.find_session(claims->session));
    if (!session || session->revoked || session->user != claims->user || session->device != claims->device)
      return refused();
    auto device = TRY(tables.accounts.find_device(claims->device));
    if (!device || device->revoked) return refused();
    // Who is an administrator may have changed since the token was made.
    auto user = TRY(tables.accounts.find_user(claims->user));
    if (!user || user->disabled) return refused();
    return Caller{claims->user, claims->device, claims->session, user->admin, remote_address};
  });
}

Result<protocol::Session> SessionService::refresh(std::string_view refresh_token, const std::string& remote_address) {
  Hash256 hash = TRY(hash_of_token(refresh_token));
  std::optional<protocol::Session> next;
  bool reused = false;
  Status done = store_.update([&](Tables& tables) -> Status {
    auto token = TRY(tables.sessions.find_token(hash));
    if (!token) return refused();
    auto session = TRY(tables.sessions.find_session(token->session));
    Timestamp now = clock_.now();
    if (!session || session->revoked || session->expires <= now) return refused();
    if (token->spent) {
      // No error here: it would undo the revocation.
      reused = true;
      return tables.sessions.revoke_session(session->id);
    }
    TRY(tables.sessions.spend_token(hash));
    TRY(tables.sessions.drop_spent(session->id, now - kSpentKept));
    TRY(tables.sessions.extend_session(session->id, now + options_.refresh_lifetime));
    auto user = TRY(tables.accounts.find_user(session->user));
    auto device = TRY(tables.accounts.find_device(session->device));
    if (!user || user->disabled || !device || device->revoked) return refused();
    TRY(tables.accounts.touch_device(session->device, device->device.name, now));
    next = TRY(issue(tables, session->id, session->user, session->device, user->admin));
    return {};
  });
  if (!done.ok()) return std::move(done).error();
  if (!reused) return *std::move(next);
  log_warn("session.refresh_token_reused", {{"from", remote_address}});
  return refused();
}

Status SessionService::logout(const Caller& caller) {
  return store_.update([&](Tables& tables) { return tables.sessions.revoke_session(caller.session); });
}

Result<protocol::Session> SessionService::create(Tables& tables, const UserId& user, const DeviceId& device,
                                                 bool admin) {
  Timestamp now = clock_.now();
  TRY(tables.sessions.drop_expired(now - kExpiredKept));
  std::string id = random_name(random_);
  TRY(tables.sessions.insert_session({id, user, device, now, now + options_.refresh_lifetime, false}));
  return issue(tables, id, user, device, admin);
}

/// The next refresh token of a session, with an access token.
Result<protocol::Session> SessionService::issue(Tables& tables, const std::string& session, const UserId& user,
                                                const DeviceId& device, bool admin) {
  Timestamp now = clock_.now();
  Bytes token = random_bytes(random_, kTokenBytes);
  TRY(tables.sessions.insert_token({crypto::sha256(token), session, now, false}));
  crypto::AccessClaims claims{user, device, session, options_.audience, now, now + options_.access_lifetime, admin};
  protocol::Session made;
  made.user = user;
  made.access_token = crypto::sign_access_token(key_, options_.issuer, claims);
  made.refresh_token = base64url_encode(token);
  made.expires_in_s = options_.access_lifetime.count();
  made.admin = admin;
  return made;
}

}  // namespace skymoor::server
