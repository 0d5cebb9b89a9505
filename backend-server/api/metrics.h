// Metrics: what the server counts, in Prometheus' text format. The table of metrics is in README.md.
#pragma once
#include <memory>
#include <string>

#include "backend-server/http/http_server.h"

namespace skymoor::server {

/// What the block store and the staging area hold now.
struct StorageGauges {
  std::uint64_t blocks = 0, block_bytes = 0, disk_bytes = 0, free_bytes = 0;
  std::uint64_t staged_blocks = 0, staged_bytes = 0;
};

/// Thread-safe. Owns its registry: two servers in one process do not share numbers.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  void observe(const RequestSummary& request);
  void count_commit();
  void count_upload(std::size_t blocks, std::size_t pack_bytes, bool truncated);
  std::string render(const HttpGauges& http, const StorageGauges& storage);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace skymoor::server
