#include "backend-server/http/connection/server_core.h"

#include "backend-server/http/lock_ranks.h"

namespace skymoor::server {

ConnectionTable::ConnectionTable() : mutex_(kConnectionTableRank, "connection table") {}

bool ConnectionTable::add(const std::shared_ptr<HttpConnection>& connection, std::size_t limit, const std::string& network) {
  const std::size_t quarter = limit / 4;
  MutexLock lock(mutex_);
  if (connections_.size() >= limit) return false;
  if (!network.empty()) {
    std::size_t& count = by_network_[network];
    if (count >= quarter && connections_.size() >= limit - quarter) return false;
    ++count;
  }
  connections_.emplace(connection.get(), Open{connection, network});
  return true;
}

void ConnectionTable::remove(HttpConnection* connection) {
  MutexLock lock(mutex_);
  const auto at = connections_.find(connection);
  if (at == connections_.end()) return;   // it was one too many
  if (const auto count = by_network_.find(at->second.network); count != by_network_.end() && --count->second == 0)
    by_network_.erase(count);
  connections_.erase(at);
  changed_.notify_all();
}

std::size_t ConnectionTable::size() const {
  MutexLock lock(mutex_);
  return connections_.size();
}

std::vector<std::shared_ptr<HttpConnection>> ConnectionTable::all() const {
  std::vector<std::shared_ptr<HttpConnection>> alive;
  MutexLock lock(mutex_);
  alive.reserve(connections_.size());
  for (const auto& [key, open] : connections_)
    if (auto connection = open.connection.lock()) alive.push_back(std::move(connection));
  lock.unlock();
  return alive;
}

bool ConnectionTable::wait_empty(std::chrono::milliseconds time) {
  auto until = std::chrono::steady_clock::now() + time;
  MutexLock lock(mutex_);
  while (!connections_.empty()) {
    auto left = until - std::chrono::steady_clock::now();
    if (left <= left.zero()) return false;
    changed_.wait_for(lock, left);
  }
  return true;
}

StreamTable::StreamTable() : mutex_(kStreamTableRank, "stream table") {}

Status StreamTable::add(const std::string& owner, const HttpOptions& limits) {
  MutexLock lock(mutex_);
  auto at = by_owner_.find(owner);
  bool too_many = total_ >= limits.max_streams ||
                  (at == by_owner_.end() ? 0 : at->second) >= limits.max_streams_per_owner;
  if (too_many) return Error(Code::kRateLimited, "too many event streams are open");
  ++by_owner_[owner];
  ++total_;
  return {};
}

void StreamTable::remove(const std::string& owner) {
  MutexLock lock(mutex_);
  auto at = by_owner_.find(owner);
  if (at == by_owner_.end()) return;
  if (--at->second == 0) by_owner_.erase(at);
  --total_;
}

std::size_t StreamTable::size() const {
  MutexLock lock(mutex_);
  return total_;
}

ServerCore::ServerCore(HttpOptions options_in, Router router_in)
    : options(std::move(options_in)),
      router(std::move(router_in)),
      workers({.name = "http", .threads = std::max<std::size_t>(1, options.worker_threads),
               .queue_limit = options.worker_queue}) {
  SystemRandom random;
  next_request = random.u64();
}

std::string ServerCore::next_request_id() {
  // A bijection of a counter with a random start: unique, and does not tell how many requests there were.
  std::uint64_t id = next_request.fetch_add(1, std::memory_order_relaxed) * 0x9E3779B97F4A7C15ull;
  id ^= id >> 32;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
  return text;
}

}  // namespace skymoor::server
