#include "backend-server/metadata_store/sqlite/read_pool.h"

#include "backend-server/metadata_store/sqlite/lock_ranks.h"

namespace skymoor::server {

ReadPool::ReadPool(std::vector<std::unique_ptr<Connection>> connections)
    : connections_(std::move(connections)), mutex_(kReadPoolRank, "read pool") {
  for (const auto& connection : connections_) free_.push_back(connection.get());
}

ReadPool::Lease ReadPool::take() {
  MutexLock lock(mutex_);
  while (free_.empty()) returned_.wait(lock);
  Connection* connection = free_.back();  // the one used last has the warmest cache
  free_.pop_back();
  return Lease(*this, connection);
}

ReadPool::Lease::~Lease() {
  MutexLock lock(pool_.mutex_);
  pool_.free_.push_back(connection_);
  pool_.returned_.notify_one();
}

}  // namespace skymoor::server
