// Handover: what the process that serves a mount leaves to the one that takes the mount over.
#pragma once
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "fuse/filesystem/filesystem.h"
#include "shared/base/fd.h"

namespace skymoor::client {

/// A file that the kernel has open, and the request that opened it.
struct OpenFile {
  OpenBefore file;
  std::int32_t backing_id = 0;   ///< of passthrough; 0: none
  std::uint64_t request = 0;     ///< the kernel's number for the open
};

/// How often the serving process was replaced. Written by the supervisor.
struct ServiceRecord {
  static constexpr std::size_t kCrashesKept = 16;
  std::int32_t supervisor = 0, notifier = 0;   ///< process ids
  std::uint32_t crashes = 0, upgrades = 0;
  std::int64_t crash_times_ns[kCrashesKept] = {};   ///< number n stands at n % kCrashesKept; wall clock
  std::int32_t last_status = 0;                     ///< of the last crash, as waitpid gives it
  /// The kernel's number of the mount, found once by the process that made it: later something else may stand at its place.
  /// 0: not known. (A version that did not write it left room for it.)
  std::uint32_t mount_device = 0;
};

/// Role: shared memory (a memfd, kept open by the supervisor) that outlives the process that serves: the kernel's INIT
/// request, the open files, and which record of the op log which request was about to make. Each is written in an order
/// that a kill at any moment leaves readable. Format: in `handover.cc`, guarded by a magic number and `kFormat`; it
/// lives as long as one mount, but upgrades may carry it from one version of the program to another.
/// Thread-safe. One process writes at a time. Failure: none after `create`; what does not fit is not remembered.
class Handover {
 public:
  static constexpr std::uint32_t kFormat = 2;
  static constexpr std::size_t kMaxOpenFiles = 1u << 18;   ///< HandleId's low 32 bits lie below

  /// Errors: Io.
  static Result<std::shared_ptr<Handover>> create();
  /// The one that another process made. Errors: Corrupt (not one of ours), NotSupported (another format).
  static Result<std::shared_ptr<Handover>> adopt(UniqueFd fd);
  ~Handover();
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;
  int fd() const { return fd_.get(); }

  /// What was negotiated with the kernel, once.
  void keep_init(ByteView request, bool passthrough);
  Bytes init() const;               ///< empty: never negotiated
  bool passthrough() const;

  /// Call before the open is answered, and after the release. A file whose open was never answered stays in the list;
  /// the kernel then sends that open again.
  void opened(const OpenFile& file);
  void closed(HandleId handle);
  /// A sync of the file failed, which is to stay so. Call before it is answered.
  void failed(HandleId handle);
  std::vector<OpenFile> open_files() const;
  /// The newest id that the kernel gave out for passthrough.
  void note_backing_id(std::int32_t id);
  std::int32_t last_backing_id() const;

  /// The request that this thread works on commits the record `lsn` next; whether it did is for the log to say. 0: it failed.
  void about_to_commit(Lsn lsn);
  std::optional<Lsn> commit_of(std::uint64_t request) const;
  /// Before the first record after `recovered`: what was about to be made and is not in the log must not be taken for one that
  /// another request makes under the same number.
  void forget_commits_after(Lsn recovered);

  /// Changes from elsewhere that the kernel is still to be told. Missing when a process begins: what a crash swallowed.
  void notice_queued();
  void notices_told(std::uint64_t count);
  std::uint64_t notices_missing() const;

  ServiceRecord& service();

  /// Marks the calling thread's work as one request's, as long as it lives.
  class Serving {
   public:
    explicit Serving(std::uint64_t request);
    ~Serving();
    Serving(const Serving&) = delete;
    Serving& operator=(const Serving&) = delete;

   private:
    const std::uint64_t before_;
  };

 private:
  struct Memory;
  Handover(UniqueFd fd, Memory* memory) : fd_(std::move(fd)), memory_(memory) {}
  static Result<std::shared_ptr<Handover>> map(UniqueFd fd);

  // Constant after construction.
  const UniqueFd fd_;
  Memory* const memory_;
};

}  // namespace skymoor::client
