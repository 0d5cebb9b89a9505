// ReadPool: a few read connections, each used by one read at a time.
#pragma once
#include <memory>
#include <vector>

#include "backend-server/metadata_store/sqlite/connection.h"
#include "shared/base/mutex.h"

namespace skymoor::server {

/// Thread-safe. Owns the connections; a Lease holds one and gives it back when it goes. Waits when all are out: a thread
/// must not take a second one.
class ReadPool {
 public:
  explicit ReadPool(std::vector<std::unique_ptr<Connection>> connections);

  class Lease {
   public:
    Lease(ReadPool& pool, Connection* connection) : pool_(pool), connection_(connection) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease();
    Connection& operator*() const { return *connection_; }

   private:
    ReadPool& pool_;
    Connection* connection_;
  };
  /// Blocks: until a connection is free.
  Lease take();

 private:
  // Constant after construction.
  const std::vector<std::unique_ptr<Connection>> connections_;
  // Guarded by mutex_.
  Mutex mutex_;
  CondVar returned_;
  std::vector<Connection*> free_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::server
