// MountSession: one mounted volume, from its parts wired together to the last of them closed.
#pragma once
#include <atomic>
#include <thread>

#include "fuse/app/account/server_connection.h"
#include "fuse/app/host/mount_table.h"
#include "fuse/app/host/worker_link.h"
#include "fuse/app/state/volume_file.h"
#include "fuse/app/command_line/mount_options.h"
#include "fuse/app/mount/mount_control.h"
#include "fuse/app/mount/sync_fetcher.h"
#include "fuse/remote/http_volume_remote.h"
#include "shared/base/fault_plan.h"
#include "fuse/sync/pin/pinned_backing_store.h"

namespace skymoor::client {

/// States: opened (everything but the kernel) -> mounted (in `run`) -> closed. `open` and `run` are called once, by one
/// thread; `stop` by any. Owns every part; closes them in this order: channel, control socket, sync, filesystem, store.
/// Failure: what was written is in the op log whatever happens here.
class MountSession {
 public:
  struct Options {
    StatePaths paths;
    std::string volume;      ///< name or id
    std::string directory;   ///< where to mount
    MountOptions mount;
    std::shared_ptr<WorkerPart> worker;   ///< null: nobody takes over when this process dies
    bool worker_takes_over() const { return worker && worker->session; }
  };
  /// Everything up to the mount itself. Asking `stop` ends it early with Cancelled. Errors, each for a person:
  /// Unauthenticated, what check_mount_point and open_volume say, Busy (mounted elsewhere with this state), Corrupt
  /// (damaged state, naming file and offset), NoSpace, NotSupported (passthrough=on where it cannot be).
  static Result<std::unique_ptr<MountSession>> open(Options options, std::stop_source stop);
  ~MountSession();

  /// Mounts and serves until unmounted or stopped. `on_ready` is called, from another thread, when the mount has answered
  /// its first request; an error from it stops the mount. Errors: Channel's.
  Status run(const std::function<Status()>& on_ready);
  void stop() { stop_.request_stop(); }
  /// Lets `program` go on with the mount: ends `run`, and then the process should end with kHandedOverExit. Errors:
  /// NotSupported (no supervisor), Busy (not ready yet), NotFound (no such program).
  Status hand_over(const std::string& program);
  bool handed_over() const { return handing_over_; }
  const std::string& mount_point() const { return mount_point_; }

 private:
  MountSession(Options options, std::stop_source stop) : options_(std::move(options)), stop_(std::move(stop)) {}
  Status open_identity();
  Status lock_volume();
  Status open_store_with_room();
  Status open_store();
  Status start_engine();
  void fetch_root();
  Status mount_channel();
  Status note_mount_point();
  void find_entry();
  void take_over(ChannelOptions& options);
  MountFacts facts() const;
  Result<Lsn> flush();
  void note_unsent();
  void close();

  // Constant after open.
  const Options options_;
  std::stop_source stop_;
  PosixDisk disk_{fault_hook_from_environment()};
  SystemClock clock_;
  SystemRandom random_;
  std::string mount_point_;
  MountEntry entry_;   ///< the kernel's, once mounted
  bool passthrough_ = false, taken_over_ = false, noted_ = false;
  Account account_;
  LocalVolume volume_;
  crypto::KeyPair device_key_;
  UniqueFd lock_;
  Lsn recovered_;   ///< the last record that was there at the start
  // Own synchronisation, in the order they need each other.
  std::shared_ptr<Watchdog> watchdog_;
  std::unique_ptr<ServerConnection> server_;
  std::unique_ptr<HttpVolumeRemote> remote_;
  std::unique_ptr<BackingStore> backing_;
  std::unique_ptr<PinSet> pins_;
  std::unique_ptr<DataReplay> replay_;
  std::unique_ptr<MetadataStore> store_;
  std::unique_ptr<PinnedBackingStore> evicting_;   ///< as the filesystem, which evicts, sees backing_
  SyncFetcher fetcher_;
  std::unique_ptr<Filesystem> filesystem_;
  StableNodes::Table nodes_before_;                ///< of the process whose mount is taken over
  std::unique_ptr<StableNodes> nodes_;             ///< filesystem_ as the kernel sees it
  std::unique_ptr<TreeFanout> fanout_;
  std::shared_ptr<SyncEngine> engine_;
  std::unique_ptr<PinKeeper> pin_keeper_;
  std::shared_ptr<Channel> channel_;
  std::weak_ptr<Channel> mounted_;   ///< the same, for other threads: set before there are any
  std::atomic<bool> serving_{false}, handing_over_{false};
  std::unique_ptr<MountControl> control_;
  std::unique_ptr<ControlServer> control_server_;
};

}  // namespace skymoor::client
