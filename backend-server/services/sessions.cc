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
constexpr std::size_t kKnownTokens = 4096;                  // about 2 MiB
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

Result<Bytes> parse_token(std::string_view token) {
  auto bytes = base64url_decode(token);
  if (!bytes.ok() || bytes->size() != kTokenBytes) return refused();
  return bytes;
}

}  // namespace

SessionService::SessionService(Options options, MetadataStore& store, const Clock& clock, Random& random,
                               crypto::KeyPair key)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      random_(random),
      key_(std::move(key)),
      successor_key_(crypto::hkdf_expand(key_.seed.view(), as_bytes("skymoor refresh successor 1"), kTokenBytes)),
      verified_(kKnownTokens) {}

Result<std::unique_ptr<SessionService>> SessionService::open(Options options, MetadataStore& store, Disk& disk,
                                                             const Clock& clock, Random& random) {
  crypto::KeyPair key = TRY(load_or_create_key(options.secret_file, disk, random));
  return std::unique_ptr<SessionService>(
      new SessionService(std::move(options), store, clock, random, std::move(key)));
}

/// What the token says, if it is one of ours and good by the clock of now.
std::optional<crypto::AccessClaims> SessionService::claims_of(std::string_view access_token) {
  const Timestamp now = clock_.now();
  const Hash256 name = crypto::sha256(as_bytes(access_token));
  if (auto known = verified_.find(name)) return crypto::is_current(*known, now) ? known : std::nullopt;
  auto claims = crypto::verify_access_token(key_.public_key, options_.issuer, options_.audience, access_token, now);
  if (!claims.ok()) return std::nullopt;
  verified_.add(name, *claims);
  return std::move(*claims);
}

Result<Caller> SessionService::verify(std::string_view access_token, const std::string& remote_address) {
  const auto claims = claims_of(access_token);
  if (!claims) return refused();
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
  Bytes token = TRY(parse_token(refresh_token));
  std::optional<protocol::Session> next;
  bool reused = false;
  Status done = store_.update([&](Tables& tables) -> Status {
    auto row = TRY(tables.sessions.find_token(crypto::sha256(token)));
    if (!row) return refused();
    auto session = TRY(tables.sessions.find_session(row->session));
    Timestamp now = clock_.now();
    if (!session || session->revoked || session->expires <= now) return refused();
    if (row->is_spent()) {
      auto successor = TRY(tables.sessions.find_token(crypto::sha256(successor_of(token))));
      reused = !successor || successor->is_spent() || now - row->spent >= options_.refresh_retry;
    }
    // No error here: it would undo the revocation.
    if (reused) return tables.sessions.revoke_session(session->id);
    next = TRY(rotate(tables, token, *session, row->is_spent()));
    return {};
  });
  if (!done.ok()) return std::move(done).error();
  if (!reused) return *std::move(next);
  log_warn("session.refresh_token_reused", {{"from", remote_address}});
  return refused();
}

/// Spends a token and answers with its successor; `again`: it was spent before, and the answer may have been lost.
Result<protocol::Session> SessionService::rotate(Tables& tables, ByteView token, const SessionRow& session,
                                                 bool again) {
  Timestamp now = clock_.now();
  auto user = TRY(tables.accounts.find_user(session.user));
  auto device = TRY(tables.accounts.find_device(session.device));
  if (!user || user->disabled || !device || device->revoked) return refused();
  Bytes successor = successor_of(token);
  if (!again) {
    TRY(tables.sessions.spend_token(crypto::sha256(token), now));
    TRY(tables.sessions.drop_spent(session.id, now - kSpentKept));
    TRY(tables.sessions.insert_token({crypto::sha256(successor), session.id, now, {}}));
  }
  TRY(tables.sessions.extend_session(session.id, now + options_.refresh_lifetime));
  TRY(tables.accounts.touch_device(session.device, device->device.name, now));
  return make_session(successor, session.id, session.user, session.device, user->admin);
}

/// As unpredictable as a random token to who has not the server's key, and the same again for a repeated request.
Bytes SessionService::successor_of(ByteView token) const {
  return to_bytes(crypto::hmac_sha256(successor_key_.view(), {token}).view());
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
  Bytes token = random_bytes(random_, kTokenBytes);
  TRY(tables.sessions.insert_token({crypto::sha256(token), id, now, {}}));
  return make_session(token, id, user, device, admin);
}

protocol::Session SessionService::make_session(ByteView refresh_token, const std::string& session, const UserId& user,
                                               const DeviceId& device, bool admin) const {
  Timestamp now = clock_.now();
  crypto::AccessClaims claims{user, device, session, options_.audience, now, now + options_.access_lifetime, admin};
  protocol::Session made;
  made.user = user;
  made.access_token = crypto::sign_access_token(key_, options_.issuer, claims);
  made.refresh_token = base64url_encode(refresh_token);
  made.expires_in_s = options_.access_lifetime.count();
  made.admin = admin;
  return made;
}

}  // namespace skymoor::server
