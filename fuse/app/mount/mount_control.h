// What a running mount answers on its control socket. Requests: {"op":"status"}, {"op":"sync","timeout_ms":N} (N absent:
// as long as it takes), {"op":"stop"}. Answers: {"ok":true,...} or {"ok":false,"code":...,"message":...}; a sync sends
// {"progress":STATUS} about every second before its answer.
#pragma once
#include "fuse/app/control/control_server.h"
#include "fuse/app/mount/mount_status.h"

namespace skymoor::client {

/// Thread-safe. The engine and what the functions use must outlive it.
class MountControl final : public ControlHandler {
 public:
  struct Parts {
    MountFacts facts;
    SyncEngine& engine;
    const Clock& clock;
    std::function<BackingStore::Usage()> cache_usage;
    std::function<Result<Lsn>()> flush;   ///< puts everything written so far into the log; its last record
    std::function<bool()> passthrough;
    std::function<void()> stop;
  };
  explicit MountControl(Parts parts) : parts_(std::move(parts)) {}
  void handle(const std::string& request, const Send& send, std::stop_token stop) override;

 private:
  std::string status();
  Status sync(std::optional<std::chrono::milliseconds> timeout, const Send& send, const std::stop_token& stop);

  const Parts parts_;
};

/// The request lines, and reading the answers.
std::string status_request();
std::string sync_request(std::optional<std::chrono::milliseconds> timeout);
std::string stop_request();
/// {"ok":false,...} as its error; the "status" of {"ok":true,"status":{...}} as text, empty when there is none.
/// Errors: what was answered, Internal (not understood).
Result<std::string> read_control_answer(const std::string& line);

}  // namespace skymoor::client
