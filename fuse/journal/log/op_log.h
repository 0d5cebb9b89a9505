// OpLog: the append-only log of operations, in segment files. Format: JOURNAL.md.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fuse/journal/lock_ranks.h"
#include "fuse/journal/log/segment.h"
#include "shared/base/file.h"
#include "shared/base/mutex.h"

namespace skymoor::client {

/// Appends frames, makes them survive power cuts in groups, reads them back, and drops segments that nobody needs.
///
/// Thread-safe: appends are made under the caller's lock (one at a time); sync, read and release from any thread.
/// Owns its files. Failure: a failed append leaves the log as it was, or, where even that cannot be had, closes it for
/// appends; a failed sync is sticky.
class OpLog {
 public:
  struct Options {
    std::string directory;
    VolumeId volume;
    WriterId writer;
    std::size_t segment_bytes = 16u << 20;
  };
  /// What the tables know, for telling a torn tail from damage.
  struct Known {
    Lsn applied;                    ///< the tables hold records up to here (which were synced before)
    Lsn acknowledged;
    std::uint64_t transaction = 0;  ///< last transaction of the tables that records may depend on
    bool power_lost = true;         ///< the machine was started anew since: pages may be lost in any order
  };
  using Visit = std::function<Result<bool>(const LogFrame&)>;

  /// Opens the log, checks every frame behind `known.applied` and cuts a torn tail off with a warning.
  /// Errors: Corrupt (damage that is no torn tail; missing segments), UnknownServer (another volume or writer), Io.
  static Result<std::unique_ptr<OpLog>> open(Disk& disk, Clock& clock, Options options, const Known& known);

  /// Called before the files of the log are synced: makes what records depend on survive first. Set once, at start.
  void set_dependencies(std::function<Status()> sync_dependencies) { sync_dependencies_ = std::move(sync_dependencies); }

  /// Starts a frame in the log's own buffer; the caller appends the body and calls `append`.
  ByteWriter& start(FrameKind kind, Lsn lsn, std::uint64_t transaction);
  /// Writes the started frame. Durability: in the kernel on return; after `sync` on the disk.
  /// Errors: NoSpace, Io: nothing was appended.
  Status append();

  /// The frame just appended, though it is a note, is to be synced by the next `sync`, whatever record that asks for.
  void require_sync() { required_ = appended_.load(); }

  Lsn last() const { return Lsn{last_.load(std::memory_order_acquire)}; }
  Lsn synced() const { return Lsn{synced_.load(std::memory_order_acquire)}; }
  /// Makes records up to `lsn` (at most `last()`) survive a power cut. Concurrent callers share one fdatasync.
  Status sync(Lsn lsn);

  /// Calls `visit` with each record from `from` on, and each note behind the record before it, until it answers false
  /// or the log ends. Streams; the frame is valid during the call.
  /// Errors: NotFound (released already), Corrupt, Io, or what `visit` gave.
  Status read(Lsn from, const Visit& visit);

  Lsn first_of_current();       ///< the segment being written starts here
  /// Removes segments that hold only records up to `lsn`; never the one being written.
  Status release(Lsn lsn);
  bool would_release(Lsn lsn);  ///< whether `release` would remove any now
  std::size_t segments();       ///< how many there are

 private:
  struct Segment {
    Lsn first;
    std::string path;
    std::unique_ptr<File> file;
    std::uint32_t seed = 0;
    std::uint64_t end = 0;                                 // guarded by segments_mutex_
    std::vector<std::pair<Lsn, std::uint64_t>> index;      // sparse: record -> its offset; same guard
  };
  OpLog(Disk& disk, Clock& clock, Options options)
      : disk_(disk), clock_(clock), options_(std::move(options)) {}

  // recovery.cc
  Status load(const Known& known);
  Result<std::shared_ptr<Segment>> load_segment(Lsn first);
  Status scan(Segment& segment, const Known& known, bool is_last);
  Status cut_tail(Segment& segment, std::uint64_t offset, const Known& known, std::string_view why);
  Result<bool> proven_whole(Segment& segment, std::uint64_t offset, bool power_lost);
  Result<bool> only_zeros(Segment& segment, std::uint64_t offset);
  Error damaged(const Segment& segment, std::uint64_t offset, std::string_view what) const;

  Status start_segment(Lsn first);
  Status rotate();
  void keep_room_ready(Segment& segment);
  std::shared_ptr<Segment> current();
  void make_index_room(Segment& segment);
  void note_index(Segment& segment, Lsn lsn, std::uint64_t offset);

  // Constant after construction.
  Disk& disk_;
  Clock& clock_;
  const Options options_;
  std::function<Status()> sync_dependencies_;
  // The appender's.
  ByteWriter buffer_;
  FrameKind started_ = FrameKind::kRecord;
  Lsn started_lsn_;
  std::optional<Error> append_failure_;
  std::uint64_t ready_end_ = 0;   // of the segment being written: zeros from its end up to here
  // Own synchronisation.
  std::atomic<std::uint64_t> last_{0}, synced_{0};
  std::atomic<std::uint64_t> appended_{0}, frames_synced_{0}, required_{0};  // counts of frames since the start
  std::atomic<bool> small_syncs_{false};   // the last sync was of little: the next ones will be, too
  // Guarded by segments_mutex_.
  Mutex segments_mutex_{kLogSegmentsRank, "log segments"};
  std::vector<std::shared_ptr<Segment>> segments_ GUARDED_BY(segments_mutex_);
  // Guarded by sync_mutex_.
  Mutex sync_mutex_{kLogSyncRank, "log sync"};
  CondVar sync_done_;
  bool syncing_ GUARDED_BY(sync_mutex_) = false;
  std::optional<Error> sync_failure_ GUARDED_BY(sync_mutex_);
  const Segment* synced_segment_ GUARDED_BY(sync_mutex_) = nullptr;   // compared, never followed
  std::uint64_t synced_end_ GUARDED_BY(sync_mutex_) = 0;
};

}  // namespace skymoor::client
