// RemoteSession: the login of this device, as requests need it.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "fuse/remote/call_options.h"
#include "fuse/remote/http_client.h"
#include "shared/base/mutex.h"

namespace skymoor::client {

/// What a session consists of. Both tokens are secrets.
struct SessionTokens {
  std::string refresh_token;   ///< good for one use: each refresh gives the next one
  std::string access_token;    ///< may be empty
  Timestamp access_expires{};
};

/// Where the tokens live. Shared with other processes (a mount and a command use one login), so that a refresh is an act
/// of one at a time. Implemented over a file by app, in memory by tests.
class SessionStore {
 public:
  /// While one lives, nobody else has one for the same login.
  class Turn {
   public:
    virtual ~Turn() = default;
    /// Durability: on return the tokens survive a power cut.
    virtual Status save(const SessionTokens& tokens) = 0;
  };
  virtual ~SessionStore() = default;
  /// Errors: Unauthenticated (nobody is logged in).
  virtual Result<SessionTokens> load() = 0;
  /// Waits for others to finish. Errors: TimedOut, Cancelled, Io.
  virtual Result<std::unique_ptr<Turn>> take_turn(const CallOptions& options) = 0;
};

/// Adds the access token to requests; refreshes it when it has expired or is refused, once per request. Thread-safe:
/// concurrent calls share one refresh, made by a thread of its own: a caller that is cancelled leaves it running, for a
/// refresh whose answer nobody reads spends the token for nothing. The new refresh token is stored before anything uses
/// it; where that fails (a full disk) this process goes on with it and stores it as soon as it can, for the server has spent the
/// old one, and takes its coming back for a theft after a while. No call waits for that. Destruction waits up to 3 s for a refresh
/// under way. Failure: when the server has ended the session every call answers Unauthenticated, without asking it again until
/// somebody has logged in anew.
class RemoteSession {
 public:
  RemoteSession(HttpClient& http, SessionStore& store, const Clock& clock);
  ~RemoteSession();

  /// Performs `request` (path, body, limits) as this session. Errors: HttpClient's, Unauthenticated, and what a failed
  /// refresh gives.
  Result<HttpResponse> perform(HttpRequest request);
  Result<HttpResponse> stream(HttpRequest request, const StreamSink& sink);
  /// A token that is good now. Blocks: on the network when the last one has expired.
  Result<std::string> access_token(const CallOptions& options);
  /// The server did not take this token: it is not used again.
  void reject(const std::string& access_token);
  HttpClient& http() { return http_; }

 private:
  bool usable(const SessionTokens& tokens) const REQUIRES(mutex_);
  Status start_refresh(const MutexLock&) REQUIRES(mutex_);
  void renew(const std::string& refused);
  Result<SessionTokens> refresh(const std::string& refused, const CallOptions& options);
  Result<SessionTokens> newest(SessionStore::Turn& turn);
  void save(SessionStore::Turn& turn, const SessionTokens& tokens);
  Result<SessionTokens> ask_server(const SessionTokens& old, const CallOptions& options);

  // Own synchronisation.
  HttpClient& http_;
  SessionStore& store_;
  const Clock& clock_;
  // Guarded by mutex_.
  Mutex mutex_;
  CondVar changed_;
  SessionTokens tokens_ GUARDED_BY(mutex_);
  std::optional<SessionTokens> unsaved_ GUARDED_BY(mutex_);   ///< the newest, if they could not be stored
  std::string stored_ GUARDED_BY(mutex_);         ///< the refresh token that was in the store before them
  Instant save_again_ GUARDED_BY(mutex_){};
  std::string refused_ GUARDED_BY(mutex_);        ///< the last access token that the server did not take
  std::string ended_ GUARDED_BY(mutex_);          ///< refresh token that the server no longer takes
  Instant ask_again_ GUARDED_BY(mutex_){};        ///< when it is asked whether it does
  bool refreshing_ GUARDED_BY(mutex_) = false;
  std::uint64_t refreshes_ GUARDED_BY(mutex_) = 0;  ///< finished ones
  std::optional<Error> failure_ GUARDED_BY(mutex_); ///< of the last one
  std::stop_source closing_;
  std::thread refresher_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::client
