// The supervisor of a mount: keeps it through the death of the process that serves it.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "fuse/app/host/worker_link.h"

namespace skymoor::client {

struct SupervisorOptions {
  std::string mount_point;
  /// Arguments (without the program) that start a program for the same mount, to which "--take-over TEXT" is added.
  std::vector<std::string> words;
  /// Called before something is logged: the supervisor shares the worker's log file and keeps no descriptor of it.
  std::function<void()> prepare_log = [] {};
  /// Called in the supervisor after it made a worker: gives up what only the worker may hold.
  std::function<void()> after_fork = [] {};
  std::string inherited;   ///< the TEXT, in a program that goes on as the supervisor of a running worker
};

/// In a worker: its part. In the supervisor: all is over, and this is its exit code.
struct Supervised {
  std::optional<WorkerPart> worker;
  int exit_code = 0;
};

/// Splits the calling process, which must have one thread, into a supervisor and a worker. Returns once in each worker, at
/// once, and once in the supervisor, when the last worker has ended.
///
///   starting --kKeep--> mounted --worker dies--> starting the next one, which takes the mount over
///   mounted --kUpgrade, worker ends with kHandedOverExit--> starting the other program; when it serves, the supervisor
///     becomes that program too; when it fails, the old one takes over again
///   mounted --worker ends by itself, or was asked to end--> over
///   mounted --kMostCrashes within kCrashWindow--> given up: unmounted, and the log says why
///
/// The supervisor holds the session's descriptor and the handover memory, passes signals on, and does nothing else. Should
/// it be killed, the worker goes on without it. Errors: Io.
Result<Supervised> supervise(SupervisorOptions options);

/// In a program that was started as a worker: what TEXT names. Errors: InvalidArgument, Handover::adopt's.
Result<WorkerPart> inherited_worker(const std::string& text);
/// Whether TEXT is for a worker (else for a supervisor).
bool is_for_worker(const std::string& text);

}  // namespace skymoor::client
