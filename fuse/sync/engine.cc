#include "fuse/sync/engine.h"

#include "fuse/journal/ancestry.h"
#include "fuse/sync/lost_files.h"
#include "fuse/sync/plan/conflict_name.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

Executor::Options pool(const char* name, std::size_t threads, int nice) {
  return {.name = name, .threads = threads, .queue_limit = 1u << 16, .nice = nice};
}

/// Directories that are listed at the same time.
constexpr std::size_t kListings = 8;

/// How long a status waits for names; a thread that holds them longer may be stuck.
constexpr std::chrono::milliseconds kNamesPatience{100};

}  // namespace

Result<std::unique_ptr<SyncEngine>> SyncEngine::start(Dependencies dependencies, Options options) {
  auto engine = std::make_unique<RunningSync>(dependencies, std::move(options));
  TRY(engine->begin());
  return std::unique_ptr<SyncEngine>(std::move(engine));
}

Result<std::vector<ContentMove>> SyncEngine::recover(MetadataStore& store, BackingStore& backing, Disk& disk,
                                                     const std::string& state_directory) {
  SyncStateFile file(&disk, state_directory);
  const SyncState state = TRY(file.load());
  auto moved = TRY(Rebaser::finish_moves(store, backing, state));
  TRY(settle_lost_files(store, backing));
  return moved;
}

Status SyncEngine::settle(Dependencies dependencies, Options options, std::stop_token stop) {
  options.own_thread = false;
  RunningSync engine(dependencies, std::move(options), RunningSync::Key::kNext);
  TRY(engine.begin());
  return engine.take_in_alone({.stop = std::move(stop)});
}

RunningSync::RunningSync(Dependencies dependencies, Options options, Key key)
    : d_(dependencies),
      options_(std::move(options)),
      cipher_(d_.volume_key),
      chunker_(d_.volume_key.chunker_key().view()),
      context_{d_.store.identity().writer, options_.device_name, {}},
      sealer_(cipher_, d_.device_key, d_.store.identity()),
      connection_(d_.clock),
      upload_throttle_(d_.clock, options_.upload_bytes_per_s),
      download_throttle_(d_.clock, options_.download_bytes_per_s),
      sealers_(pool("seal", std::max(1u, std::min(4u, std::thread::hardware_concurrency())), kUploadNice)),
      senders_(pool("send", std::max<std::size_t>(1, options_.parallel_transfers), kUploadNice)),
      fetchers_(pool("fetch", std::max<std::size_t>(1, options_.parallel_transfers), 0)),
      blocks_(d_.remote, download_throttle_, progress_, connection_),
      listers_(pool("list", kListings, 0)),
      directories_({d_.store, d_.remote, cipher_, connection_, d_.listener, d_.clock, listers_,
                    [this](const std::vector<InodeId>& directories) { list_again(directories); },
                    [this] {
                      if (directories_.replan_wanted()) look_again();
                    }}),
      contents_({d_.store, d_.backing, blocks_, directories_, fetchers_, progress_, d_.clock,
                 std::max<std::size_t>(1, options_.parallel_transfers)}),
      state_file_(d_.disk, options_.state_directory),
      history_(d_.disk, options_.state_directory),
      upload_{d_.remote, sealers_, senders_, upload_throttle_, known_, progress_, d_.clock, d_.random,
              to_bytes(d_.volume_key.block_key().view()), options_.pack_bytes, 64u << 20},
      preparer_({d_.store, d_.backing, blocks_, chunker_, known_, progress_}),
      comparer_(d_.store, d_.backing, d_.remote, upload_.block_key, cipher_),
      batch_contents_(d_.store, preparer_, upload_, context_.writer, {options_.kept_manifests, options_.longest_plan},
                      [this](const CallOptions& call) { return take_news(call); }),
      bases_(d_.remote),
      opener_(d_.remote, cipher_, d_.store.identity(),
              key == Key::kOwn ? std::optional(d_.device_key.public_key) : std::nullopt, bases_),
      applier_(d_.store, d_.backing, state_, state_file_, d_.listener, progress_, history_,
               [this](const std::vector<InodeId>& directories) { list_again(directories); }),
      rebaser_({d_.store, d_.backing, comparer_, context_, state_, state_file_, d_.listener}),
      puller_({d_.store, d_.remote, opener_, applier_, rebaser_, directories_, connection_, cipher_, context_, state_, state_file_,
               outstanding_}),
      pusher_({d_.store, d_.backing, d_.remote, batch_contents_, known_, sealer_, applier_, bases_, connection_, d_.clock,
               context_, state_, state_file_, outstanding_, options_.max_batch_records}),
      restorer_({d_.store, d_.backing, d_.remote, opener_, applier_, directories_, connection_, upload_, cipher_, sealer_,
                 d_.device_key, context_, history_, d_.clock, d_.disk, options_.state_directory, options_.max_restored_effects}),
      backoff_({std::chrono::milliseconds(500), std::chrono::seconds(60)}, d_.random),
      pace_(options_.commit_delay) {}

Status RunningSync::begin() {
  state_ = TRY(state_file_.load());
  note_shown();
  // Behind the store after a power cut, or of a history that was given up just before the last process ended.
  const SyncPosition at = d_.store.position();
  history_.cut(at.cursor);
  if (at.cursor) history_.note(at.cursor, at.hash);
  TRY(Rebaser::finish_moves(d_.store, d_.backing, state_));
  for (NotedMove& move : state_.moves) move.made = TRY(Rebaser::rows_stand(d_.store, state_, move));
  forget_moves();
  // The last process may have ended between taking in a foreign change and planning anew.
  if (d_.store.last_lsn() > d_.store.position().acknowledged) applier_.need_rebase();
  prefetcher_ = std::make_unique<Prefetcher>(contents_, connection_, d_.clock);
  if (!options_.own_thread) return {};
  walk_ = std::make_unique<DirectoryWalk>(DirectoryWalk::Dependencies{
      d_.store, directories_, connection_, options_.list_ahead, std::max<std::size_t>(1, options_.parallel_transfers)});
  subscription_ = d_.remote.subscribe([this](Sequence head) { heard_of(head); },
                                      [this](const Status& state) {
                                        MutexLock lock(mutex_);
                                        // Back: no need to sit a pause out. Lost: a round will find out what is the matter.
                                        if (state.ok()) settled_down_ = reconnected_ = true;
                                        woken_ = true;
                                        changed_.notify_all();
                                      });
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
  return {};
}

void RunningSync::stop() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  subscription_.reset();
  contents_.stop();
  directories_.stop();
  if (walk_) walk_->stop();
  if (prefetcher_) prefetcher_->stop();
  sealers_.stop();
  senders_.stop();
  fetchers_.stop();
  listers_.stop();
}

void RunningSync::wake() {
  MutexLock lock(mutex_);
  last_wake_ = d_.clock.monotonic();
  // Told once: every local operation comes here, and `gather` looks at the time of the last one by itself.
  if (std::exchange(woken_, true)) return;
  changed_.notify_all();
}

void RunningSync::connect_now() {
  if (subscription_) subscription_->connect_now();
  MutexLock lock(mutex_);
  woken_ = settled_down_ = true;
  changed_.notify_all();
}

void RunningSync::list_again(const std::vector<InodeId>& directories) {
  if (walk_) walk_->list_again(directories);
}

/// A round is wanted, though nothing was changed here.
void RunningSync::look_again() {
  MutexLock lock(mutex_);
  if (std::exchange(woken_, true)) return;
  changed_.notify_all();
}

CallOptions RunningSync::call_options(Instant deadline, std::stop_token stop) const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - d_.clock.monotonic());
  return {std::clamp(left, std::chrono::milliseconds(1), std::chrono::milliseconds(60000)), std::move(stop)};
}

/// The codes that callers of fetches and waits know.
Status RunningSync::answer(Status status) const {
  if (!status.ok() && status.error().code() == Code::kCancelled) return Error(Code::kInterrupted, "interrupted");
  return status;
}

Status RunningSync::until(const std::function<bool()>& done, Instant deadline, const std::stop_token& stop,
                          std::optional<std::uint64_t> since) {
  NotifyOnStop wake(stop, mutex_, changed_);
  std::uint64_t first;
  {
    MutexLock lock(mutex_);
    urgent_ = woken_ = settled_down_ = true;  // somebody waits: no pause is sat out before the first attempt
    // One that is running may have begun before there was anything to do.
    first = since.value_or(begun_);
    changed_.notify_all();
  }
  while (true) {
    if (done()) return {};
    if (stop.stop_requested()) return Error(Code::kInterrupted, "interrupted");
    if (connection_.stopped()) return connection_.last_failure();
    const bool late = d_.clock.monotonic() >= deadline;
    MutexLock lock(mutex_);
    if (late && trouble_) return Error(Code::kTimedOut, "the server did not take it in time: " + trouble_->to_string());
    if (late) return Error(Code::kTimedOut, "the server did not take it in time");
    if (rounds_ > first && trouble_ && unreachable(*trouble_) && trouble_->code() != Code::kBadCertificate)
      return Error(Code::kOffline, "the server cannot be reached: " + trouble_->to_string());
    if (rounds_ > first && trouble_ && trouble_->code() != Code::kConflict) return *trouble_;
    if (!trouble_) urgent_ = woken_ = true;
    wait_a_while(changed_, lock, d_.clock, deadline, stop);
  }
}

Status RunningSync::sync_to(Lsn lsn, Instant deadline, std::stop_token stop, std::optional<std::uint64_t> since) {
  return until([&] { return d_.store.position().acknowledged >= lsn; }, deadline, stop, since);
}

std::uint64_t RunningSync::rounds() {
  MutexLock lock(mutex_);
  return begun_;
}

Status RunningSync::catch_up(Instant deadline, std::stop_token stop) {
  TRY(connection_.ready());
  auto info = d_.remote.info(call_options(deadline, stop));
  connection_.note(info.ok() ? Status() : Status(info.error()));
  if (!info.ok()) return answer(std::move(info).error());
  const Sequence head = info->head;
  if (shown_.load() >= head.value) return {};
  heard_of(head);
  return until([&] { return shown_.load() >= head.value; }, deadline, stop);
}

bool RunningSync::makes_room() {
  {
    MutexLock lock(mutex_);
    if (trouble_ && !unreachable(*trouble_)) return false;   // of the round before; `connection_` knows of the server
  }
  return connection_.online() && (uncleaned_ || d_.store.last_lsn() > d_.store.position().acknowledged);
}

Status RunningSync::make_room(Instant deadline, std::stop_token stop) {
  contents_.give_room();
  const std::uint64_t before = cleanings_;
  room_wanted_ = true;
  Status made = until([&] { return cleanings_ > before || !makes_room(); }, deadline, stop);
  if (made.ok() || made.error().code() == Code::kInterrupted) return made;
  return Error(Code::kNoSpace, "the disk with Skymoor's state is full, and nothing leaves it: " + made.error().to_string());
}

Status RunningSync::fetch_directory(InodeId directory, Instant deadline, std::stop_token stop) {
  TRY(connection_.ready());
  if (never_synced()) TRY(until([&] { return !never_synced(); }, deadline, stop));
  Status done = answer(directories_.fetch_directory(directory, call_options(deadline, std::move(stop))));
  if (done.ok() && walk_) walk_->waited_for(directory);
  return done;
}

Status RunningSync::fetch_inode(InodeId inode, Instant deadline, std::stop_token stop) {
  TRY(connection_.ready());
  if (never_synced()) {
    TRY(until([&] { return !never_synced(); }, deadline, stop));
    if (inode == kRootInode) return {};
  }
  Status done = answer(directories_.fetch_inode(inode, call_options(deadline, std::move(stop))));
  if (directories_.replan_wanted()) look_again();
  return done;
}

Status RunningSync::fetch_content(InodeId inode, Extent extent, Instant deadline, std::stop_token stop) {
  TRY(connection_.ready());
  return answer(contents_.fetch(inode, extent, deadline, std::move(stop)));
}

void RunningSync::prefetch(InodeId inode, Extent extent) {
  if (connection_.ready().ok()) prefetcher_->add(inode, extent);
}

SyncStatus RunningSync::status() {
  SyncStatus status;
  const Connection::View view = connection_.view();
  status.online = view.online;
  status.since = view.since;
  status.reason = view.reason;
  status.stopped = view.stopped;
  status.pending = d_.store.pending();
  status.position = d_.store.position();
  status.transfers = progress_.transfers();
  status.uploaded_bytes = progress_.uploaded_bytes;
  status.downloaded_bytes = progress_.downloaded_bytes;
  status.uploaded_blocks = progress_.uploaded_blocks;
  status.downloaded_blocks = progress_.downloaded_blocks;
  status.deduplicated_blocks = progress_.deduplicated_blocks;
  status.conflicts = progress_.conflicts;
  const auto heard = std::max(view.answered, subscription_ ? subscription_->heard() : std::nullopt);
  if (heard) status.silence = std::chrono::duration_cast<std::chrono::seconds>(d_.clock.monotonic() - *heard);
  status.restored = restorer_.report();
  {
    MutexLock lock(mutex_);
    status.head = head_;
    if (status.reason.empty() && trouble_) status.reason = trouble_->to_string();
  }
  for (TransferProgress& transfer : status.transfers) {
    MutexLock lock(d_.store.mutex(), kNamesPatience);
    if (!lock.held()) break;
    transfer.path = path_of(d_.store, lock, transfer.inode);
  }
  return status;
}

std::string RunningSync::state_of(InodeId inode) {
  if (progress_.uploading(inode)) return "uploading";
  MutexLock lock(d_.store.mutex());
  auto row = d_.store.inode(lock, inode);
  if (!row.ok()) return "unknown";
  const Lsn acknowledged = d_.store.position().acknowledged;
  auto content = d_.store.content(lock, inode);
  if (row->changed > acknowledged || (content.ok() && !content->dirty.empty())) return "pending";
  auto links = d_.store.links(lock, inode);
  if (links.ok() && std::any_of(links->begin(), links->end(), [](const DentryRow& l) { return is_conflict_name(l.name); }))
    return "conflict";
  if (row->attributes.type == FileType::kFile && row->attributes.size > 0 && content.ok() && content->valid.empty())
    return "remote-only";
  return "synced";
}

std::optional<protocol::VolumeInfo> RunningSync::volume_info() {
  MutexLock lock(mutex_);
  return info_;
}

}  // namespace skymoor::client
