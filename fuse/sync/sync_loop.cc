// The sync thread's rounds.
#include "fuse/sync/engine.h"
#include "shared/base/log.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {
namespace {

constexpr std::chrono::seconds kIdlePull{60};      // in case the subscription is dead and nobody noticed
constexpr std::chrono::seconds kInfoEvery{30};
constexpr std::chrono::milliseconds kGatherLook{50};
constexpr std::uint64_t kManyFiles = 1000;         // with unsent content
constexpr int kMaxReplans = 5;
constexpr std::chrono::milliseconds kSomebodysPause{10000};

bool is_locked_out(const Error& error) { return error.code() == Code::kUnauthenticated || error.code() == Code::kForbidden; }

/// Errors after which asking again soon is of no use: somebody has to do something first.
bool needs_somebody(const Error& error) {
  switch (error.code()) {
    case Code::kUnauthenticated:
    case Code::kForbidden:
    case Code::kQuotaExceeded:
    case Code::kNoSpace:
      return true;
    default: return false;
  }
}

}  // namespace

void RunningSync::heard_of(Sequence head) {
  MutexLock lock(mutex_);
  head_ = std::max(head_, head);
  woken_ = true;
  changed_.notify_all();
}

bool RunningSync::never_synced() {
  if (d_.store.position().cursor) return false;
  MutexLock lock(d_.store.mutex());
  return !d_.store.inode(lock, kRootInode).ok();
}

/// A state directory that has never met its server starts as a mirror of the present head, not of all history.
Status RunningSync::start_mirror(const protocol::VolumeInfo& first, const CallOptions& options) {
  protocol::VolumeInfo info = first;
  for (int round = 0; round < 20; ++round) {
    auto page = TRY(d_.remote.inodes({kRootInode}, options));
    if (page.inodes.size() != 1 || page.inodes.front().inode != kRootInode)
      return Error(Code::kCorrupt, "the server does not give the volume's root");
    info = TRY(d_.remote.info(options));
    if (info.head != page.sequence) continue;  // a commit came in between: once more
    const auto root = TRY(directories_.open_row(page.inodes.front(), InodeId{}));
    InodeRow bare = root.inode;
    bare.version = Sequence{};
    TRY(d_.store.reset_mirror(page.epoch, page.sequence, info.head_hash, bare));
    TRY(d_.store.merge_listing(kRootInode, page.sequence, root, {}, false, false));   // with its xattrs
    history_.note(page.sequence, info.head_hash);
    log_info("sync.mirror.started", {{"head", info.head.value}});
    VisibleChanges changes;
    changes.attributes.push_back(kRootInode);
    d_.listener.tree_changed(changes);
    return {};
  }
  return Error(Code::kBusy, "the volume changes too fast to start a mirror of it");
}

Status RunningSync::greet(const CallOptions& options) {
  auto info = d_.remote.info(options);
  connection_.note(info.ok() ? Status() : Status(info.error()));
  if (!info.ok()) {
    if (info.error().code() != Code::kNotFound && info.error().code() != Code::kUnknownServer)
      return std::move(info).error();
    connection_.stop_for_good("the server does not know this volume: nothing was changed here (" +
                              info.error().to_string() + ")");
    return Error(Code::kUnknownServer, "the server does not know this volume");
  }
  if (info->id != d_.store.identity().volume) {
    connection_.stop_for_good("the server answers with another volume: nothing was changed here");
    return Error(Code::kUnknownServer, "another volume");
  }
  {
    MutexLock lock(mutex_);
    info_ = *info;
    head_ = std::max(head_, info->head);
  }
  next_info_ = d_.clock.monotonic() + kInfoEvery;
  if (never_synced()) TRY(start_mirror(*info, options));
  greeted_ = true;
  return {};
}

Status RunningSync::refresh_info(const CallOptions& options) {
  if (!reconnected_.exchange(false) && d_.clock.monotonic() < next_info_) return {};
  return compare_heads(options);
}

/// Another history of the very same length shows in the feed only when it grows.
Status RunningSync::compare_heads(const CallOptions& options) {
  next_info_ = d_.clock.monotonic() + kInfoEvery;
  auto info = d_.remote.info(options);
  if (!info.ok()) return {};
  const SyncPosition at = d_.store.position();
  const bool differs = info->head == at.cursor && info->head_hash != at.hash;
  {
    MutexLock lock(mutex_);
    info_ = std::move(info).value();
  }
  return differs ? restore(options) : Status();
}

Status RunningSync::push_all(const CallOptions& options) {
  while (!options.stop.stop_requested()) {
    uncleaned_ = true;   // said before the store knows of an acknowledgement: between the two nothing would seem to be on its way
    auto outcome = pusher_.push(options);
    const bool pulls = outcome.ok() && *outcome == Pusher::Outcome::kPull;   // it may find own commits acknowledged
    if (!pulls) uncleaned_ = pusher_.has_uncleaned();
    if (pulls || (outcome.ok() && *outcome == Pusher::Outcome::kDone)) pace_.sent(d_.clock.monotonic());
    switch (TRY(std::move(outcome))) {
      case Pusher::Outcome::kIdle:
        if (uncleaned_ || room_wanted_) clean_up();
        return {};
      case Pusher::Outcome::kDone: {
        replans_ = 0;
        {
          MutexLock lock(mutex_);
          trouble_.reset();
          changed_.notify_all();  // for those in sync_to
        }
        note_shown();
        if (room_wanted_ || !pusher_.more()) clean_up();
        TRY(puller_.rebase_if_needed(options));
        if (!pusher_.more()) return {};
        break;
      }
      case Pusher::Outcome::kPull:
        TRY(pull(options));
        note_shown();
        if (pusher_.history_differs()) TRY(compare_heads(options));
        outstanding_.reset();  // the feed has told
        {
          MutexLock lock(mutex_);
          changed_.notify_all();
        }
        clean_up();
        break;
      case Pusher::Outcome::kReplan:
        TRY(count_replan());
        TRY(puller_.rebase_if_needed(options, true));
        break;
      case Pusher::Outcome::kFetch:
        TRY(directories_.fetch_directory(pusher_.lacking(), options));
        TRY(pull(options));  // the listing may be ahead of the feed
        // Where conflicts are open the plan may rest on names that touch nothing pending.
        TRY(puller_.rebase_if_needed(options, !state_.visible.empty()));
        break;
      case Pusher::Outcome::kOld:
        replans_ = 0;   // another batch, on another tree: what did not come together was the last one
        break;
      case Pusher::Outcome::kAgain: break;
    }
  }
  return Error(Code::kCancelled, "stopped");
}

void RunningSync::clean_up() {
  room_wanted_ = false;
  pusher_.clean_up();
  uncleaned_ = false;
  ++cleanings_;
  MutexLock lock(mutex_);
  changed_.notify_all();   // for those in make_room
}

/// What the tree and the plan are made of is the same as at the last one, and they still differ: after a few it is given up
/// for this round.
Status RunningSync::count_replan() {
  const Sequence cursor = d_.store.position().cursor;
  replans_ = cursor == replanned_at_ ? replans_ + 1 : 1;
  replanned_at_ = cursor;
  if (replans_ <= kMaxReplans) return {};
  replans_ = 0;
  return Error(Code::kInternal, "the visible tree and the plan of pending changes do not come together");
}

/// Brings this device up to the head, by way of a restore if the server's history is not the one known here.
Status RunningSync::pull(const CallOptions& options) {
  auto pulled = puller_.pull(options);
  if (pulled.ok() || pulled.error().code() != Code::kResync) return pulled.ok() ? Status() : Status(pulled.error());
  log_warn("sync.history_differs", {{"error", pulled.error()}});
  return restore(options);
}

Status RunningSync::restore(const CallOptions& options) {
  TRY(restorer_.run(options));
  pusher_.forget_unanswered();
  // Whether it was taken before the backup was made or not: the feed, or what is pending, tells.
  outstanding_.reset();
  TRY(puller_.pull(options));
  MutexLock lock(mutex_);
  head_ = puller_.head();
  return {};
}

/// Where that cannot be (a full disk) the moves stay remembered, and re-plans have to wait.
void RunningSync::forget_moves() {
  if (Status forgotten = rebaser_.forget_moves(); !forgotten.ok())
    log_warn("sync.moves.not_kept", {{"why", forgotten.error()}});
}

Status RunningSync::round(const CallOptions& options) {
  forget_moves();
  contents_.tidy();
  if (!greeted_) TRY(greet(options));
  TRY(take_in(options));
  TRY(refresh_info(options));
  const Instant latest = d_.clock.monotonic() + pace_.longest();
  while (gather(latest, options.stop)) TRY(take_in(options));
  return push_all(options);
}

/// Others have sent something that was not taken in yet; from now on it counts as taken.
bool RunningSync::note_news() {
  MutexLock lock(mutex_);
  const bool news = has_news(lock);
  taken_in_ = head_;
  return news;
}

/// What others have sent is shown.
Status RunningSync::take_in(const CallOptions& options) {
  note_news();
  TRY(pull(options));
  TRY(show(options));
  // Everything that the server took is in the feed that was just read; of what it may still take it is asked again (`Pusher`).
  outstanding_.reset();
  return {};
}

/// All that `settle` does. A history that is not the one known here is left to the engine of the next device, which can say
/// in its own name what is missing.
Status RunningSync::take_in_alone(const CallOptions& options) {
  TRY(puller_.pull(options));
  TRY(show(options));
  return rebaser_.forget_moves();
}

/// The same on the way through a large batch: a history that is not the one known here is the next round's business, and so
/// is a server that is not reached.
Result<bool> RunningSync::take_news(const CallOptions& options) {
  if (!note_news()) return false;
  const Sequence before = d_.store.position().cursor;
  auto pulled = puller_.pull(options);
  if (!pulled.ok() && !unreachable(pulled.error())) return std::move(pulled).error();
  TRY(show(options));
  return d_.store.position().cursor > before;
}

/// What was pulled shows everywhere.
Status RunningSync::show(const CallOptions& options) {
  TRY(puller_.rebase_if_needed(options));
  note_shown();
  MutexLock lock(mutex_);
  head_ = std::max(head_, puller_.head());
  taken_in_ = std::max(taken_in_, puller_.head());
  changed_.notify_all();   // for those in catch_up
  return {};
}

/// Lets changes that come close together share a commit, until `latest`; as many files as fill one need not wait for more.
/// True: others have sent something meanwhile, which does not wait for ours.
bool RunningSync::gather(Instant latest, const std::stop_token& stop) {
  if (!options_.own_thread) return false;
  if (d_.store.last_lsn() <= d_.store.position().acknowledged) return false;
  while (d_.store.pending().files < kManyFiles) {
    MutexLock lock(mutex_);
    if (urgent_ || stop.stop_requested()) return false;
    if (has_news(lock)) return true;
    const Instant now = d_.clock.monotonic();
    const Instant due = std::min(latest, last_wake_ + pace_.quiet(now));
    if (now >= due) return false;
    wait_a_while(changed_, lock, d_.clock, std::min(due, now + kGatherLook), stop);
  }
  return false;
}

/// Waits until there is something to do.
void RunningSync::rest(const Status& outcome, const std::stop_token& stop) {
  Instant until = d_.clock.monotonic() + kIdlePull;
  const bool failed = !outcome.ok();
  if (failed) {
    auto pause = backoff_.next();
    if (needs_somebody(outcome.error())) pause = std::max(pause, kSomebodysPause);
    // Whether this device may come in again costs the server little to say.
    if (is_locked_out(outcome.error())) pause = kSomebodysPause;
    until = d_.clock.monotonic() + pause;
  } else {
    backoff_.reset();
    // Who was let in again, or got an answer, need not sit out the pauses of the stream, which saw the same trouble.
    if (troubled_ && subscription_) subscription_->connect_now();
  }
  troubled_ = failed;
  MutexLock lock(mutex_);
  ++rounds_;
  trouble_.reset();
  if (failed) trouble_ = outcome.error();
  changed_.notify_all();
  while (!stop.stop_requested() && d_.clock.monotonic() < until) {
    // While the server is away local changes wake nobody; the subscription coming up does (see begin).
    if (failed ? settled_down_ : woken_) break;
    wait_a_while(changed_, lock, d_.clock, until, stop);
  }
  woken_ = settled_down_ = false;
}

Status RunningSync::step() {
  if (connection_.stopped()) return connection_.last_failure();
  {
    MutexLock lock(mutex_);
    ++begun_;
  }
  Status outcome = round({});
  MutexLock lock(mutex_);
  ++rounds_;
  trouble_.reset();
  if (!outcome.ok()) trouble_ = outcome.error();
  return outcome;
}

void RunningSync::run(std::stop_token stop) {
  set_thread_name("sync");
  set_thread_nice(kUploadNice);
  NotifyOnStop wake(stop, mutex_, changed_);
  Watchdog::Watched watched(d_.watchdog, "sync");
  while (!stop.stop_requested() && !connection_.stopped()) {
    Status outcome;
    {
      MutexLock lock(mutex_);
      ++begun_;
    }
    {
      Watchdog::Busy busy(watched);
      outcome = contained([&] { return round({.stop = stop, .patience = Patience::kWhileItMoves}); });
    }
    if (stop.stop_requested()) return;
    if (!outcome.ok() && !unreachable(outcome.error()) && outcome.error().code() != Code::kConflict)
      log_warn("sync.round.failed", {{"error", outcome.error()}});
    {
      MutexLock lock(mutex_);
      urgent_ = false;
    }
    if (connection_.stopped()) break;
    (void)contained([&]() -> Status {
      rest(outcome, stop);
      return {};
    });
  }
  MutexLock lock(mutex_);
  ++rounds_;
  changed_.notify_all();
}

}  // namespace skymoor::client
