// Channel: the kernel's edge. The only room with libfuse.
#pragma once
#include <sys/uio.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fuse/channel/handover.h"
#include "fuse/filesystem/filesystem.h"
#include "shared/base/fd.h"
#include "shared/base/watchdog.h"

namespace skymoor::client {

/// `text` as a value within a list of mount options.
std::string escape_commas(const std::string& text);

struct ChannelOptions {
  std::string mount_point;
  std::string volume_label;                 ///< shown as the mount's source
  bool allow_other = false;
  bool read_only = false;
  bool debug = false;                       ///< libfuse's own trace on standard error
  bool remember_absences = true;            ///< the kernel need not ask again for a name that was not there
  bool passthrough = true;                  ///< use FUSE passthrough where kernel and rights allow it
  int threads = 2;                          ///< that read requests
  std::vector<std::string> kernel_options;  ///< nosuid, nodev, noexec, noatime, ...
  std::shared_ptr<Handover> handover;       ///< null: nobody can take the mount over
  std::shared_ptr<Watchdog> watchdog;       ///< over the threads that serve requests; null: none
  /// Tells the kernel, from another process: a thread that waits in the kernel for its lock keeps a killed process from
  /// ending. Answers an errno; EPIPE: it has to be told from here; ECANCELED: this process is to end. Thread-safe.
  std::function<int(const iovec* iov, int count)> notify;
  /// Whether unmounting by the mount point reaches this mount: once detached, another may stand there. Null: it does.
  std::function<bool()> on_top;
  /// Set: nothing is mounted; the session of the process before goes on.
  struct TakeOver {
    int session_fd = -1;
    Lsn recovered;                          ///< the last record that the process before left
    WriterId writer;
    std::function<void()> unmount;          ///< lazily; libfuse can do it only for what it mounted itself
  };
  std::optional<TakeOver> take_over;
};

/// What came of passthrough.
struct PassthroughUse {
  bool active = false;            ///< the kernel accepted it at mount
  std::uint64_t files = 0;        ///< registered now: the kernel reads and writes them itself
  std::uint64_t refused = 0;      ///< opens whose file the kernel did not take since this process serves: we serve them
  std::string last_refusal;
};

/// One FUSE mount of one Filesystem. `run` serves requests on `threads` threads; an operation that lacks something
/// (NotPresent) moves to a pool where it may wait for the network, so that it never holds up the others. Interrupted
/// callers get EINTR at once. Thread-safe. Owned by app; unmounts when destroyed. Stop order: request threads, pool,
/// invalidations.
class Channel {
 public:
  /// Mounts, or takes a mount over. Errors: NotFound (no /dev/fuse, no mount point), NotPermitted, Busy, NotDirectory, Io.
  static Result<std::unique_ptr<Channel>> mount(Filesystem& filesystem, ChannelOptions options);
  virtual ~Channel() = default;

  /// Serves until the filesystem is unmounted from outside or `stop` is called. Blocks.
  virtual Status run() = 0;
  /// Ends `run` and unmounts (lazily when something is still open). Callable from any thread, not from a signal handler.
  virtual void stop() = 0;
  /// Tells the kernel to forget what changed: queued (waits only when thousands are) and done by a thread of its own.
  virtual void invalidate(const VisibleChanges& changes) = 0;
  virtual PassthroughUse passthrough_use() const = 0;
  /// For whoever keeps the mount alive beyond this process.
  virtual int session_fd() const = 0;
  /// Ends `run`, but leaves the mount and what was not answered to the next process. From any thread.
  virtual void hand_over() = 0;
};

}  // namespace skymoor::client
