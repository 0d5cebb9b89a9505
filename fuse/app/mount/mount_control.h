// What a running mount answers on its control socket. Requests: {"op":"status"}, {"op":"sync","timeout_ms":N} (N absent:
// as long as it takes), {"op":"connect"} (now, whatever pause there is), {"op":"stop"}, {"op":"pin"|"unpin","inode":N}, {"op":"pins","count":BOOL},
// {"op":"upgrade","program":PATH,"format":N} (format: Handover::kFormat of PATH, which goes on with the mount).
// Answers: {"ok":true,...} or {"ok":false,"code":...,"message":...}; a sync sends
// {"progress":STATUS} about every second before its answer.
#pragma once
#include "fuse/app/control/control_server.h"
#include "fuse/app/mount/mount_status.h"
#include "fuse/sync/pin/pin_keeper.h"

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
    std::function<PassthroughUse()> passthrough;
    std::function<void()> stop;
    std::function<Status(const std::string& program)> hand_over;   ///< returns when the mount is on its way
    PinKeeper* pins = nullptr;            ///< outlives the control; null: requests about pins are refused
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
std::string connect_request();
/// Returns when the server holds everything that was written so far in the mount with its control socket in `directory`;
/// `patience` none: as long as that takes. Errors: what the mount answers, among them Offline and TimedOut.
Status sync_mount(const std::string& directory, std::optional<std::chrono::milliseconds> patience);
std::string pin_request(InodeId inode, bool pinned);
/// `count`: with the numbers of files, which takes a walk through them. The answer's "status" is
/// {"settled":BOOL,"trouble":TEXT,"pins":[{"inode","path","files","bytes","missing_files","missing_bytes","unlisted"}]}.
std::string pins_request(bool count);
/// A request about pins, as a request line says it. Errors: NotSupported (not such a request), PinKeeper's.
Result<std::string> answer_pin_request(PinKeeper& pins, const std::string& line);
std::string upgrade_request(const std::string& program);
/// {"ok":false,...} as its error; the "status" of {"ok":true,"status":{...}} as text, empty when there is none.
/// Errors: what was answered, Internal (not understood).
Result<std::string> read_control_answer(const std::string& line);

}  // namespace skymoor::client
