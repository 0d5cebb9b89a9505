#include "fuse/app/mount/mount_session.h"

#include <sys/statfs.h>
#include <unistd.h>

#include "fuse/app/mount/backing_replay.h"
#include "fuse/app/mount/new_writer.h"
#include "fuse/app/mount/offline_store.h"
#include "fuse/app/host/mount_table.h"
#include "fuse/app/host/passthrough_support.h"
#include "fuse/app/host/unmount.h"
#include "fuse/app/mount/volume_opening.h"
#include "fuse/app/state/cache_notice.h"
#include "fuse/app/state/spare_room.h"
#include "fuse/app/state/unsent_note.h"
#include "fuse/remote/backoff.h"
#include "shared/base/executor.h"
#include "shared/base/log.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
/// Bytes in memory of an inode row with its share of names.
constexpr std::uint64_t kBytesPerInode = 1000;
/// umount(8) returns while the process still closes its state; a mount that follows at once waits this long for it.
constexpr auto kClosePatience = 15s;
/// One that was detached ends with the last program that uses it, which may be the one that was just ended.
constexpr auto kDetachedPatience = 4s;
constexpr auto kCloseCheck = 50ms;

Result<bool> choose_passthrough(const MountOptions& options) {
  const std::string& wish = options.settings.text("passthrough");
  if (wish == "off") return false;
  const PassthroughSupport support = passthrough_support();
  if (wish == "on" && !support.possible)
    return Error(Code::kNotSupported, "passthrough=on: " + support.why_not + " (passthrough=auto uses it where it can)");
  return support.possible;
}

std::string why_no_passthrough(const MountOptions& options) {
  if (options.settings.text("passthrough") == "off") return "passthrough=off";
  const PassthroughSupport support = passthrough_support();
  return support.possible ? "" : support.why_not;
}

std::function<PassthroughUse()> passthrough_of(const std::shared_ptr<Channel>& channel) {
  return [mounted = std::weak_ptr<Channel>(channel)] {
    const auto still = mounted.lock();
    return still ? still->passthrough_use() : PassthroughUse{};
  };
}

/// Who has the volume mounted, for the error about a second mount.
std::string holder_of(const std::string& directory) {
  auto answer = control_call(directory, status_request(), 2s);
  if (!answer.ok()) return {};
  auto status = read_control_answer(*answer);
  auto json = status.ok() ? protocol::parse_object(as_bytes(*status)) : Result<protocol::Json>(status.error());
  if (!json.ok()) return {};
  protocol::FieldReader in(*json, "");
  return in.text("mount_point", 65536);
}

/// Whether the volume's holder serves no mount that can be seen: then it is about to end, or was detached.
bool is_ending(const std::string& where, const std::string& label) {
  const auto table = read_mount_table();
  return where.empty() || (table.ok() && !mount_of(*table, where, label));
}

/// No mount's number: the mount is served, and is nowhere to be seen.
constexpr std::uint32_t kDetached = UINT32_MAX;

/// The kernel's number of it is a mount's own as long as that lives.
bool is_attached(const MountEntry& mount) {
  if (mount.device == 0) return true;   // nobody can tell
  const auto table = read_mount_table();
  return !table.ok() || std::any_of(table->begin(), table->end(), [&](const MountEntry& other) {
    return other.device == mount.device && other.mount_point == mount.mount_point && other.type == kMountType;
  });
}

/// After a crash the kernel keeps the mount of a process that is no more: whoever mounts again means to replace it.
Status clear_dead_mount(const std::string& directory) {
  constexpr int kMostOnTop = 8;
  const std::string mount_point = absolute_mount_point(directory);
  for (int i = 0; i < kMostOnTop; ++i) {
    const auto table = TRY(read_mount_table());
    const MountEntry* entry = mount_holding(table, mount_point);
    if (!entry || entry->mount_point != mount_point || entry->type != kMountType) return {};
    if (state_of_mount(mount_point) != MountState::kDead) return {};
    TRY(unmount(mount_point, /*lazy=*/true));
    log_info("mount.dead_one_cleared", {{"mount_point", mount_point}});
  }
  return {};
}

constexpr std::size_t kLongestNote = 65536;

Status clear_noted_mount(ByteView note) {
  const auto table = TRY(read_mount_table());
  const MountEntry* noted = mount_noted(table, as_text(note));
  return noted ? clear_dead_mount(noted->mount_point) : Status();
}

}  // namespace

Result<std::unique_ptr<MountSession>> MountSession::open(Options options, std::stop_source stop) {
  std::unique_ptr<MountSession> session(new MountSession(std::move(options), std::move(stop)));
  TRY(session->open_identity());
  TRY(session->open_store_with_room());
  TRY(session->start_engine());
  if (session->stop_.stop_requested()) return Error(Code::kCancelled, "stopped before it was mounted");
  return session;
}

MountSession::~MountSession() { close(); }

Status MountSession::open_identity() {
  const StatePaths& paths = options_.paths;
  account_ = TRY(load_account(disk_, paths.account_file()));
  taken_over_ = options_.worker_takes_over();
  if (taken_over_) {
    mount_point_ = options_.directory;   // nothing may touch it: nobody answers yet
    passthrough_ = options_.worker->handover->passthrough();
  } else {
    TRY(clear_dead_mount(options_.directory));
    mount_point_ = TRY(check_mount_point(options_.directory, options_.mount.settings.flag("nonempty")));
    passthrough_ = TRY(choose_passthrough(options_.mount));
  }
  device_key_ = crypto::ed25519_from_seed(account_.signing_seed.view());
  server_ = TRY(ServerConnection::open(disk_, clock_, paths, account_));
  volume_ = TRY(open_volume(disk_, paths, account_, server_->account(), options_.volume, stop_.get_token()));
  TRY(lock_volume());
  remote_ = std::make_unique<HttpVolumeRemote>(server_->session(), random_, volume_.id);
  if (taken_over_) return {};
  TRY(finish_new_writer(disk_, paths, volume_));
  return give_to_device(disk_, clock_, paths, volume_, {account_.device, server_->account(), *remote_, random_},
                        stop_.get_token());
}

Status MountSession::lock_volume() {
  const std::string directory = options_.paths.volume(volume_.id);
  const auto begin = std::chrono::steady_clock::now();
  auto lock = lock_directory(directory);
  std::string where;
  while (!lock.ok() && lock.error().code() == Code::kBusy) {
    where = holder_of(directory);
    // Who answers is still used by somebody; who does not is closing its state.
    if (!is_ending(where, volume_.label) || std::chrono::steady_clock::now() > begin + (where.empty() ? kClosePatience : kDetachedPatience)) break;
    if (!sleep_unless_stopped(kCloseCheck, stop_.get_token())) break;
    lock = lock_directory(directory);
  }
  if (lock.ok()) {
    lock_ = std::move(*lock);
    // Two first mounts at once may each have leased a writer id: the one that the state was made with counts.
    auto identity = MetadataStore::read_identity(disk_, options_.paths.metadata(volume_.id));
    if (identity.ok()) {
      volume_.writer = identity->writer;
      volume_.device = identity->device;
    }
    return {};
  }
  if (lock.error().code() != Code::kBusy) return lock.error();
  if (!where.empty() && is_ending(where, volume_.label))
    return Error(Code::kBusy, "volume '" + volume_.label + "' was detached from " + where +
                                  ", and programs still use it: end them, or end it at once with 'skymoor umount --force " + where +
                                  "'");
  return Error(Code::kBusy, "volume '" + volume_.label + "' is already mounted" + (where.empty() ? "" : " on " + where) +
                                " with this state directory (" + lock.error().message() +
                                "); unmount it first, or give this mount a --state-dir of its own");
}

/// Others may have filled the disk: a mount that is taken over is to go on all the same.
Status MountSession::open_store_with_room() {
  SpareRoom spare(disk_, options_.paths.spare_room(volume_.id));
  Status opened = open_store();
  if (!opened.ok() && opened.error().code() == Code::kNoSpace && spare.give()) {
    log_warn("mount.spare_room_given", {{"why", opened.error()}});
    store_.reset();
    backing_.reset();
    opened = open_store();
  } else if (opened.ok()) {
    spare.keep();
  }
  if (opened.ok() || opened.error().code() != Code::kNoSpace) return opened;
  return Error(Code::kNoSpace, opened.error().message() + ": free some space on the disk with " + options_.paths.state +
                                   "; nothing is lost");
}

Status MountSession::open_store() {
  const StatePaths& paths = options_.paths;
  const Settings& settings = options_.mount.settings;
  TRY(make_private_directory(disk_, paths.cache));
  TRY(make_private_directory(disk_, paths.cache_of(volume_.id)));
  TRY(make_private_directory(disk_, paths.metadata(volume_.id)));
  BackingStore::Options backing;
  backing.data_directory = paths.volume(volume_.id);
  backing.cache_directory = paths.cache_of(volume_.id);
  backing.clean_limit_bytes = static_cast<std::uint64_t>(settings.number("cache-size"));
  backing_ = TRY(BackingStore::open(disk_, backing));
  if (const std::string notice = cache_notice(paths); !notice.empty()) log_warn("mount.cache_with_state", {{"why", notice}});
  pins_ = TRY(PinSet::open(disk_, paths.volume(volume_.id) + "/pins"));
  replay_ = std::make_unique<BackingReplay>(*backing_);

  MetadataStore::Options options;
  options.directory = paths.metadata(volume_.id);
  options.cached_inodes = static_cast<std::uint64_t>(settings.number("metadata-memory")) / kBytesPerInode;
  options.cached_dentries = 2 * options.cached_inodes;
  options.keep_orphans = options_.worker_takes_over();
  auto store = MetadataStore::open(disk_, clock_, options, {volume_.id, account_.device, volume_.writer}, replay_.get());
  if (!store.ok()) {
    if (store.error().code() != Code::kCorrupt) return store.error();
    return store.error().wrap("the local state of volume '" + volume_.label +
                              "' is damaged; 'skymoor fsck " + volume_.label + "' tells what can be done");
  }
  store_ = std::move(*store);
  TRY(remove_unsent_note(disk_, options_.paths, volume_.id));   // before there is more
  recovered_ = store_->last_lsn();
  if (options_.worker) options_.worker->handover->forget_commits_after(recovered_);
  const auto moved = TRY(SyncEngine::recover(*store_, *backing_, disk_, paths.volume(volume_.id)));
  if (taken_over_) nodes_before_ = TRY(StableNodes::load(disk_, paths.nodes_file(volume_.id), moved));
  else if (disk_.exists(paths.nodes_file(volume_.id))) TRY(disk_.unlink(paths.nodes_file(volume_.id)));
  TRY(backing_->sweep([this](InodeId inode) { return is_known(*store_, inode); }));
  return start_mirror(*store_, *remote_, stop_.get_token());
}

Status MountSession::start_engine() {
  const Settings& settings = options_.mount.settings;
  watchdog_ = std::make_shared<Watchdog>(std::chrono::milliseconds(settings.number("stuck-after")));
  Filesystem::Options filesystem;
  const std::string& owners = settings.text("owners");
  filesystem.owners_mine = owners.empty() ? ::geteuid() != 0 : owners == "mine";
  filesystem.mine_uid = ::geteuid();
  filesystem.mine_gid = ::getegid();
  filesystem.fsync_remote = settings.text("fsync") == "remote";
  filesystem.ask_at_open = settings.text("coherence") == "open";
  filesystem.access_times =
      facts().read_only ? Filesystem::AccessTimes::kNever : options_.mount.access_times;
  filesystem.directory_access_times = options_.mount.directory_access_times;
  filesystem.passthrough = passthrough_;
  filesystem.read_deadline = std::chrono::milliseconds(settings.number("read-timeout"));
  filesystem.reserve_bytes = static_cast<std::uint64_t>(settings.number("reserve"));
  if (options_.worker) {
    filesystem.before_commit = [handover = options_.worker->handover](Lsn lsn) { handover->about_to_commit(lsn); };
    filesystem.sync_failed = [handover = options_.worker->handover](HandleId handle) { handover->failed(handle); };
    if (options_.worker_takes_over()) {
      filesystem.open_before.emplace();
      for (const OpenFile& open : options_.worker->handover->open_files()) {
        filesystem.open_before->push_back(open.file);
        InodeId& inode = filesystem.open_before->back().inode;
        inode = StableNodes::inode_of(nodes_before_, inode);
      }
    }
  }
  protocol::VolumeInfo last_heard;
  last_heard.quota_bytes = volume_.quota_bytes;
  last_heard.stored_bytes = volume_.stored_bytes;
  last_heard.free_bytes = volume_.free_bytes;
  fetcher_.remember(statistics_of(last_heard));
  evicting_ = std::make_unique<PinnedBackingStore>(*backing_, *store_, *pins_, clock_);
  filesystem_ = TRY(Filesystem::open(*store_, *evicting_, fetcher_, disk_, clock_, filesystem));
  nodes_ = std::make_unique<StableNodes>(*filesystem_, disk_, options_.paths.nodes_file(volume_.id), std::move(nodes_before_));
  fanout_ = std::make_unique<TreeFanout>(*nodes_);

  SyncEngine::Options sync;
  sync.parallel_transfers = static_cast<std::size_t>(settings.number("parallel-transfers"));
  sync.commit_delay = std::chrono::milliseconds(settings.number("commit-delay"));
  sync.upload_bytes_per_s = static_cast<std::uint64_t>(settings.number("upload-limit"));
  sync.download_bytes_per_s = static_cast<std::uint64_t>(settings.number("download-limit"));
  sync.device_name = account_.device_name;
  sync.state_directory = options_.paths.volume(volume_.id);
  engine_ = TRY(SyncEngine::start(
      {*store_, *backing_, *remote_, clock_, random_, *fanout_, volume_.key, device_key_, &disk_,
       watchdog_.get()},
      sync));
  fetcher_.bind(engine_);
  if (!options_.worker_takes_over()) fetch_root();
  pin_keeper_ = std::make_unique<PinKeeper>(
      PinKeeper::Dependencies{*store_, *backing_, *engine_, *pins_, clock_}, PinKeeper::Options{});
  fanout_->bind(pin_keeper_.get());
  return {};
}

/// The root's names come with the mount, so that a drive whose server goes away at once can still be worked in.
void MountSession::fetch_root() {
  {
    MutexLock lock(store_->mutex());
    auto root = store_->inode(lock, kRootInode);
    if (!root.ok() || root->listed) return;
  }
  Status fetched = engine_->fetch_directory(kRootInode, clock_.monotonic() + std::chrono::seconds(10), stop_.get_token());
  if (!fetched.ok()) log_warn("mount.root_not_fetched", {{"why", fetched.error()}});
}

MountFacts MountSession::facts() const {
  MountFacts facts;
  facts.volume = volume_.label;
  facts.volume_id = volume_.id;
  facts.mount_point = mount_point_;
  facts.log_file = options_.paths.log_file();
  facts.state_directory = options_.paths.state;
  facts.cache_notice = cache_notice(options_.paths);
  facts.server = account_.server_url;
  facts.pid = ::getpid();
  if (options_.worker) {
    const ServiceRecord& service = options_.worker->handover->service();
    facts.supervisor = service.supervisor;
    facts.supervised = [link = options_.worker->link] { return link->supervised(); };
    facts.crashes = service.crashes;
    facts.upgrades = service.upgrades;
    if (service.crashes > 0)
      facts.last_crash = Timestamp(std::chrono::nanoseconds(
          service.crash_times_ns[(service.crashes - 1) % ServiceRecord::kCrashesKept]));
    facts.last_crash_status = service.last_status;
  }
  facts.stuck = [watchdog = watchdog_] { return watchdog ? watchdog->stuck() : std::vector<Watchdog::Stuck>(); };
  facts.started = clock_.now();
  if (!passthrough_) facts.passthrough_off = why_no_passthrough(options_.mount);
  facts.read_only = options_.mount.read_only() || volume_.role == protocol::Role::kReader;
  return facts;
}

/// By which `status` tells a mount whose process has died. It goes with an orderly end.
Status MountSession::note_mount_point() {
  const std::string file = options_.paths.mount_note(volume_.id);
  if (!taken_over_) {
    // Where the volume stood before, too, whoever mounts it again means to replace a dead mount. What cannot be read or cleared
    // is no reason not to mount here.
    if (disk_.exists(file)) {
      const auto before = read_file(disk_, file, kLongestNote);
      Status cleared = before.ok() ? clear_noted_mount(*before) : Status(before.error());
      if (!cleared.ok()) log_warn("mount.dead_one_not_cleared", {{"why", cleared.error()}});
    }
    const auto note = TRY(disk_.open(file, {.create = true}));
    TRY(note->truncate(0));
    TRY(note->write_at(0, as_bytes(note_of("skymoor:" + volume_.label, mount_point_))));
  }
  noted_ = true;
  return {};
}

Status MountSession::mount_channel() {
  TRY(note_mount_point());
  MountFacts mounted = facts();
  ChannelOptions options;
  options.mount_point = mount_point_;
  options.volume_label = volume_.label;
  options.allow_other = options_.mount.settings.flag("allow_other");
  options.read_only = mounted.read_only;
  options.debug = options_.mount.settings.flag("debug");
  options.remember_absences = options_.mount.settings.text("coherence") != "open";
  options.passthrough = passthrough_;
  options.watchdog = watchdog_;
  options.threads = static_cast<int>(options_.mount.settings.number("threads"));
  options.kernel_options = options_.mount.kernel_options;
  options.on_top = [this] { return is_on_top(entry_).value_or(true); };
  if (options_.worker) {
    options.handover = options_.worker->handover;
    options.notify = [notifier = options_.worker->notifier](const iovec* iov, int count) {
      return notifier->notify(iov, count);
    };
  }
  if (options_.worker_takes_over()) take_over(options);
  channel_ = TRY(Channel::mount(*nodes_, std::move(options)));
  mounted_ = channel_;
  find_entry();
  mounted.attached = [entry = entry_] { return is_attached(entry); };
  if (options_.worker)
    if (Status kept = options_.worker->link->keep(channel_->session_fd()); !kept.ok())
      log_warn("mount.not_supervised", {{"why", kept.error()}});
  fanout_->bind(channel_);
  control_ = std::make_unique<MountControl>(
      MountControl::Parts{mounted, *engine_, clock_, [this] { return backing_->usage(); }, [this] { return flush(); },
                          passthrough_of(channel_), [this] { stop(); },
                          [this](const std::string& program) { return hand_over(program); }, pin_keeper_.get()});
  control_server_ = TRY(ControlServer::start(options_.paths.volume(volume_.id), *control_));
  return {};
}

/// Once a mount, by the process that made it: later something else may stand at its place, even another mount of the volume.
void MountSession::find_entry() {
  if (entry_.device != 0) return;
  std::uint32_t* known = options_.worker ? &options_.worker->handover->service().mount_device : nullptr;
  entry_ = {mount_point_, std::string(kMountType), "skymoor:" + volume_.label, known ? *known : 0};
  if (entry_.device != 0) return;
  const auto table = read_mount_table();
  if (!table.ok()) return;
  const MountEntry* entry = mount_of(*table, mount_point_, volume_.label);
  // One that was just made is there, even where the table calls it something else.
  if (entry) entry_.device = entry->device;
  else if (options_.worker_takes_over()) entry_.device = kDetached;
  if (known) *known = entry_.device;
}

void MountSession::take_over(ChannelOptions& options) {
  find_entry();
  options.take_over = {options_.worker->session.release(), recovered_, volume_.writer, [entry = entry_] {
                         if (!is_on_top(entry).value_or(false)) return;
                         if (Status gone = unmount(entry.mount_point, /*lazy=*/true); !gone.ok())
                           log_warn("mount.not_unmounted", {{"why", gone.error()}});
                       }};
}

Status MountSession::hand_over(const std::string& program) {
  if (!options_.worker || !options_.worker->link->supervised())
    return Error(Code::kNotSupported, "this mount has no supervisor (takeover=off, an older kernel, or it was killed): "
                                      "unmount and mount it again");
  const auto channel = mounted_.lock();
  if (!serving_ || !channel) return Error(Code::kBusy, "the mount is just starting, or ending");
  if (::access(program.c_str(), X_OK) != 0) return Error::from_errno(errno, program);
  TRY(options_.worker->link->upgrade_to(program));
  log_info("mount.handing_over", {{"program", program}});
  handing_over_ = true;
  options_.worker->notifier->stop();
  channel->hand_over();
  return {};
}

Result<Lsn> MountSession::flush() {
  Request nobody;
  TRY(filesystem_->sync_all(nobody));
  return store_->last_lsn();
}

Status MountSession::run(const std::function<Status()>& on_ready) {
  TRY(mount_channel());
  log_info("mount.started", {{"volume", volume_.label}, {"mount_point", mount_point_}});
  Status served;
  // The kernel answers statfs only when the session is up: the mount is ready then, and not before. One that is taken over
  // is up, and no thread of ours may wait for it: should this process be killed, a request of its own that nobody answers
  // would keep it from ending, and the next one from the state that it has locked.
  // Nor may the channel stop before it was answered: with a supervisor the kernel has no reason to end what waits.
  std::atomic<bool> probed{false};
  const auto end_serving = [this, mounted = mounted_] {
    if (options_.worker) options_.worker->notifier->stop();
    if (const auto channel = mounted.lock()) channel->stop();
  };
  std::jthread prober([this, &on_ready, &probed, &end_serving, mounted = std::weak_ptr<Channel>(channel_)] {
    set_thread_name("mount-probe");
    struct statfs ignored = {};
    const bool up = taken_over_ || ::statfs(mount_point_.c_str(), &ignored) == 0;
    probed = true;
    if (stop_.stop_requested()) end_serving();
    const auto channel = up ? mounted.lock() : nullptr;
    if (!channel) return;
    serving_ = true;
    if (options_.worker) (void)options_.worker->link->serving();
    if (Status told = on_ready(); !told.ok()) stop();
  });
  {
    std::stop_callback on_stop(stop_.get_token(), [&] {
      if (probed) end_serving();
    });
    served = channel_->run();
  }
  log_info("mount.ended", {{"volume", volume_.label}, {"mount_point", mount_point_}});
  serving_ = false;
  // With the channel goes the mount.
  fanout_->bind(std::shared_ptr<Channel>());
  channel_.reset();
  prober.join();
  close();
  return served;
}

/// Everything that was written is in the log by now.
void MountSession::note_unsent() {
  const MetadataStore::Pending pending = store_->pending();
  const auto changes = unsent_changes(*store_);
  // Nobody has looked at these yet: the start was cut short, or a mapping may write on.
  const std::uint64_t unseen = backing_->unseen_inodes().size();
  Status noted = changes.ok() ? write_unsent_note(disk_, options_.paths, volume_.id, {*changes + unseen, pending.files + unseen, pending.bytes})
                              : Status(changes.error());
  if (!noted.ok()) log_warn("mount.unsent_not_noted", {{"why", noted.error()}});
}

void MountSession::close() {
  if (std::exchange(noted_, false) && !handing_over_) (void)disk_.unlink(options_.paths.mount_note(volume_.id));
  if (fanout_) fanout_->bind(std::shared_ptr<Channel>());
  channel_.reset();
  control_server_.reset();
  control_.reset();
  if (fanout_) fanout_->bind(static_cast<PinKeeper*>(nullptr));
  pin_keeper_.reset();
  fetcher_.bind(nullptr);
  if (engine_) {
    if (auto info = engine_->volume_info()) {
      volume_.quota_bytes = info->quota_bytes;
      volume_.stored_bytes = info->stored_bytes;
      volume_.free_bytes = info->free_bytes;
      if (Status saved = save_volume(disk_, options_.paths, volume_); !saved.ok())
        log_warn("mount.volume_not_saved", {{"why", saved.error()}});
    }
    engine_->stop();
    engine_.reset();
  }
  fanout_.reset();
  nodes_.reset();
  filesystem_.reset();
  evicting_.reset();
  if (store_ && !handing_over_) note_unsent();
  if (store_)
    if (Status closed = store_->close(); !closed.ok()) log_error("mount.store_not_closed", {{"why", closed.error()}});
  store_.reset();
  backing_.reset();
}

}  // namespace skymoor::client
