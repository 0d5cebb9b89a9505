#include "fuse/remote/remote_session.h"

#include "fuse/remote/lock_ranks.h"
#include "shared/base/executor.h"
#include "shared/base/log.h"
#include "shared/base/must_finish.h"
#include "shared/base/watchdog.h"
#include "shared/protocol/accounts.h"
#include "shared/protocol/failure.h"

namespace skymoor::client {
namespace {

/// A token is renewed this long before it ends: a request under way must not lose it.
constexpr std::chrono::seconds kMargin{30};
constexpr std::chrono::milliseconds kStopCheck{50};
constexpr std::chrono::milliseconds kRefreshTimeout{20000};
constexpr std::chrono::milliseconds kClosePatience{3000};
/// What the server has refused is not asked again at once, but who was let in again must not have to log in.
constexpr std::chrono::seconds kRefusalCounts{60};
/// What could not be stored is tried again after this.
constexpr std::chrono::seconds kSaveAgain{10};
constexpr std::chrono::milliseconds kLastSavePatience{1000};

Error session_over() {
  return Error(Code::kUnauthenticated, "this device is not logged in any more: run 'skymoor login'");
}

CallOptions rest_of(const CallOptions& options, std::chrono::steady_clock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return {std::max(left, std::chrono::milliseconds(1)), options.stop};
}

}  // namespace

RemoteSession::RemoteSession(HttpClient& http, SessionStore& store, const Clock& clock)
    : http_(http), store_(store), clock_(clock), mutex_(kRemoteSessionRank, "remote.session") {}

bool RemoteSession::usable(const SessionTokens& tokens) const {
  return !tokens.access_token.empty() && tokens.access_token != refused_ &&
         clock_.now() + kMargin < tokens.access_expires;
}

void RemoteSession::reject(const std::string& access_token) {
  MutexLock lock(mutex_);
  refused_ = access_token;
}

RemoteSession::~RemoteSession() {
  MutexLock lock(mutex_);
  const auto deadline = std::chrono::steady_clock::now() + kClosePatience;
  while (refreshing_ && std::chrono::steady_clock::now() < deadline) changed_.wait_for(lock, kStopCheck);
  closing_.request_stop();
  while (refreshing_) changed_.wait(lock);
  if (refresher_.joinable()) refresher_.join();
  if (!unsaved_) return;
  lock.unlock();
  if (auto turn = store_.take_turn({kLastSavePatience, {}}); turn.ok()) (void)newest(**turn);
}

Result<std::string> RemoteSession::access_token(const CallOptions& options) {
  const auto deadline = std::chrono::steady_clock::now() + options.timeout;
  MutexLock lock(mutex_);
  // One that is under way may have begun before what made this caller ask: its failure counts all the same.
  const std::uint64_t wanted = refreshes_ + 1;
  if (unsaved_ && usable(tokens_) && !refreshing_ && clock_.monotonic() >= save_again_) (void)start_refresh(lock);
  while (!usable(tokens_)) {
    if (refreshes_ >= wanted && failure_) return *failure_;
    // Shorter-lived than our margin, but new: better than asking for ever.
    if (refreshes_ >= wanted && tokens_.access_token != refused_) break;
    if (refreshes_ > wanted) break;
    if (options.stop.stop_requested()) return Error(Code::kCancelled, "cancelled while renewing the login");
    if (std::chrono::steady_clock::now() >= deadline)
      return Error(Code::kTimedOut, "the login could not be renewed in time");
    if (!refreshing_) TRY(start_refresh(lock));
    Watchdog::progress();
    changed_.wait_for(lock, kStopCheck);
  }
  return tokens_.access_token;
}

Status RemoteSession::start_refresh(const MutexLock&) {
  if (refresher_.joinable()) refresher_.join();  // has ended: it let go of the lock with its last step
  refresher_ = TRY(contained([this, refused = refused_]() -> Result<std::thread> {
    return std::thread([this, refused] { renew(refused); });
  }));
  refreshing_ = true;   // it cannot have ended: that takes the lock
  return {};
}

void RemoteSession::renew(const std::string& refused) {
  set_thread_name("login");
  auto tokens = refresh(refused, {kRefreshTimeout, closing_.get_token()});
  MutexLock lock(mutex_);
  failure_.reset();
  if (tokens.ok())
    tokens_ = std::move(*tokens);
  else if (unsaved_ && usable(tokens_))
    save_again_ = clock_.monotonic() + kSaveAgain;
  else
    failure_ = tokens.error();
  ++refreshes_;
  refreshing_ = false;
  changed_.notify_all();
}

Result<SessionTokens> RemoteSession::refresh(const std::string& refused, const CallOptions& options) {
  auto turn = TRY(store_.take_turn(options));
  const SessionTokens stored = TRY(newest(*turn));
  {
    MutexLock lock(mutex_);
    // Another process may have renewed it already.
    if (stored.access_token != refused && usable(stored)) return stored;
    if (!ended_.empty() && stored.refresh_token == ended_ && clock_.monotonic() < ask_again_) return session_over();
  }
  auto renewed = ask_server(stored, options);
  if (!renewed.ok()) {
    if (renewed.error().code() != Code::kUnauthenticated) return renewed.error();
    log_warn("remote.session_over", {{"server", http_.base_url()}});
    MutexLock lock(mutex_);
    ended_ = stored.refresh_token;
    ask_again_ = clock_.monotonic() + kRefusalCounts;
    return session_over();
  }
  save(*turn, *renewed);
  log_debug("remote.session_renewed", {{"server", http_.base_url()}});
  return renewed;
}

/// What the store has, or should have: then it gets it, if it can. Who has logged in anew, or out, counts more. A damaged store is
/// what a save that failed has left.
Result<SessionTokens> RemoteSession::newest(SessionStore::Turn& turn) {
  auto stored = store_.load();
  SessionTokens tokens;
  {
    MutexLock lock(mutex_);
    const bool behind = unsaved_ && (stored.ok() ? stored->refresh_token == stored_ : stored.error().code() == Code::kCorrupt);
    if (!behind) {
      if (stored.ok()) stored_ = stored->refresh_token;
      unsaved_.reset();
      return stored;
    }
    tokens = *unsaved_;
  }
  save(turn, tokens);
  return tokens;
}

void RemoteSession::save(SessionStore::Turn& turn, const SessionTokens& tokens) {
  const Status saved = turn.save(tokens);
  MutexLock lock(mutex_);
  if (saved.ok()) return unsaved_.reset();
  log_warn("remote.session_not_saved", {{"server", http_.base_url()}, {"error", saved.error()}});
  unsaved_ = tokens;
  save_again_ = clock_.monotonic() + kSaveAgain;
}

Result<SessionTokens> RemoteSession::ask_server(const SessionTokens& old, const CallOptions& options) {
  const std::string body = protocol::encode(protocol::RefreshRequest{old.refresh_token});
  HttpRequest request;
  request.method = "POST";
  request.path = "/api/auth/refresh";
  request.headers = {"Content-Type: application/json"};
  request.body = as_bytes(body);
  request.timeout = options.timeout;
  request.stop = options.stop;
  const HttpResponse answer = TRY(http_.perform(request));
  if (answer.status != 200) return protocol::decode_failure(answer.status, answer.body);
  auto session = TRY(protocol::decode<protocol::Session>(answer.body));
  return SessionTokens{std::move(session.refresh_token), std::move(session.access_token),
                       clock_.now() + std::chrono::seconds(session.expires_in_s)};
}

namespace {

bool is_refused(const HttpResponse& answer) {
  return answer.status == 401 &&
         protocol::decode_failure(answer.status, answer.body).code() == Code::kUnauthenticated;
}

HttpRequest with_token(const HttpRequest& request, const std::string& token) {
  HttpRequest full = request;
  full.headers.push_back("Authorization: Bearer " + token);
  return full;
}

}  // namespace

Result<HttpResponse> RemoteSession::perform(HttpRequest request) {
  const auto deadline = std::chrono::steady_clock::now() + request.timeout;
  for (bool last_try : {false, true}) {
    const CallOptions left = rest_of({request.timeout, request.stop}, deadline);
    const std::string token = TRY(access_token(left));
    request.timeout = rest_of(left, deadline).timeout;
    HttpResponse answer = TRY(http_.perform(with_token(request, token)));
    if (!is_refused(answer)) return answer;
    reject(token);
    if (last_try) break;
  }
  return session_over();
}

Result<HttpResponse> RemoteSession::stream(HttpRequest request, const StreamSink& sink) {
  const std::string token = TRY(access_token({request.timeout, request.stop}));
  StreamSink checked = sink;
  checked.on_head = [&](const HttpResponse& head) -> Status {
    if (head.status == 401) reject(token);
    return sink.on_head(head);
  };
  return http_.stream(with_token(request, token), checked);
}

}  // namespace skymoor::client
