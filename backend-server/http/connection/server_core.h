// Private to the room: what all connections of one server share.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "backend-server/http/http_server.h"
#include "shared/base/clock.h"
#include "shared/base/executor.h"
#include "shared/base/mutex.h"

namespace skymoor::server {

class HttpConnection;

/// The open connections. Thread-safe. Holds them weakly: each lives as long as something is under way on it.
class ConnectionTable {
 public:
  ConnectionTable();
  /// False when `limit` are open. `network`: whose connection it is, empty for one that is not counted so. One that has a quarter
  /// gets none of the last quarter: that is for others.
  bool add(const std::shared_ptr<HttpConnection>& connection, std::size_t limit, const std::string& network);
  void remove(HttpConnection* connection);
  std::size_t size() const;
  std::vector<std::shared_ptr<HttpConnection>> all() const;
  /// Waits until none is left. False when the time ran out. Blocks.
  bool wait_empty(std::chrono::milliseconds time);

 private:
  // Guarded by mutex_.
  mutable Mutex mutex_;
  CondVar changed_;
  struct Open {
    std::weak_ptr<HttpConnection> connection;
    std::string network;
  };
  std::unordered_map<HttpConnection*, Open> connections_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::size_t> by_network_ GUARDED_BY(mutex_);
};

/// Counts event streams by owner. Thread-safe.
class StreamTable {
 public:
  StreamTable();
  /// Errors: RateLimited (the owner has too many, or all together are).
  Status add(const std::string& owner, const HttpOptions& limits);
  void remove(const std::string& owner);
  std::size_t size() const;

 private:
  // Guarded by mutex_.
  mutable Mutex mutex_;
  std::map<std::string, std::size_t> by_owner_ GUARDED_BY(mutex_);
  std::size_t total_ GUARDED_BY(mutex_) = 0;
};

/// Thread-safe; outlives every connection.
struct ServerCore {
  ServerCore(HttpOptions options_in, Router router_in);
  /// 16 hex digits, different for every request of this process and, most likely, of every other.
  std::string next_request_id();

  // Constant after construction.
  const HttpOptions options;
  const Router router;
  const SystemClock clock;
  // Own synchronisation.
  Executor workers;
  ConnectionTable connections;
  StreamTable streams;
  std::atomic<std::size_t> body_memory{0};
  std::atomic<std::uint64_t> refused_connections{0};
  std::atomic<std::uint64_t> next_request{0};
  std::atomic<bool> stopping{false};
};

}  // namespace skymoor::server
