// Between the process that serves a mount and the supervisor that keeps the mount through its death.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "fuse/app/host/notifier.h"
#include "fuse/channel/handover.h"
#include "shared/base/error.h"
#include "shared/base/fd.h"

namespace skymoor::client {

/// How a worker ends when the next program is to go on with its mount.
inline constexpr int kHandedOverExit = 120;

/// The worker's end. Thread-safe: each call is one message.
class WorkerLink {
 public:
  explicit WorkerLink(UniqueFd socket) : socket_(std::move(socket)) {}
  /// From now on the mount outlives this process. Errors: Offline (the supervisor is gone), Io.
  Status keep(int session_fd);
  /// The mount answers.
  Status serving();
  /// When this process ends with kHandedOverExit, `program` goes on. Errors: as keep.
  Status upgrade_to(const std::string& program);
  /// Somebody would notice this process's death.
  bool supervised() const;
  int fd() const { return socket_.get(); }

 private:
  const UniqueFd socket_;
};

/// The supervisor's end.
struct WorkerMessage {
  enum class Kind : char { kKeep = 'K', kServing = 'S', kUpgrade = 'U' };
  Kind kind = Kind::kServing;
  UniqueFd session;       ///< kKeep
  std::string program;    ///< kUpgrade
};
/// Nothing: the worker has closed its end. Never blocks when poll says that there is something.
std::optional<WorkerMessage> receive_from_worker(int socket);

/// What a worker is given.
struct WorkerPart {
  std::shared_ptr<Handover> handover;
  std::shared_ptr<WorkerLink> link;
  std::shared_ptr<NotifierLink> notifier;
  UniqueFd session;       ///< set: a live mount to take over
};

}  // namespace skymoor::client
