#include "fuse/filesystem/engine.h"

#include <algorithm>

#include "fuse/filesystem/make_room.h"
#include "shared/base/executor.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxChangedElsewhere = 65536;
constexpr std::chrono::seconds kAskPatience{2};   // that an open waits for the server (Options::ask_at_open)

}  // namespace

Engine::Engine(Parts parts, Options options)
    : store_(parts.store),
      backing_(parts.backing),
      fetcher_(parts.fetcher),
      disk_(parts.disk),
      clock_(parts.clock),
      options_(options),
      identity_(parts.store.identity()),
      space_({parts.store, parts.backing, parts.fetcher, parts.clock, *this, [this] { reap(); }}, options.reserve_bytes),
      handles_(options.max_handles) {}

Engine::~Engine() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  settle_unseen(Look::kLast);
  reap();
  MutexLock lock(store_.mutex());
  store_.witness_contents(lock, nullptr);
}

Status Engine::start() {
  TRY(options_.open_before ? take_over(*options_.open_before) : recover_unseen());
  if (Status noted = store_.note_recovered(); !noted.ok()) log_warn("filesystem.recovery_not_noted", {{"why", noted.error()}});
  {
    MutexLock lock(store_.mutex());
    store_.witness_contents(lock, this);
  }
  if (options_.tick.count() > 0) thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  return {};
}

Result<std::unique_ptr<Filesystem>> Filesystem::open(MetadataStore& store, BackingStore& backing, Fetcher& fetcher,
                                                     Disk& disk, Clock& clock, Options options) {
  auto engine = std::make_unique<Engine>(Engine::Parts{store, backing, fetcher, disk, clock}, options);
  TRY(engine->start());
  return std::unique_ptr<Filesystem>(std::move(engine));
}

void Engine::run(std::stop_token stop) {
  set_thread_name("fs-tick");
  std::stop_callback on_stop(stop, [this] { wake(); });
  auto next = std::chrono::steady_clock::now() + options_.tick;
  while (!stop.stop_requested()) {
    {
      MutexLock lock(tick_mutex_);
      auto left = next - std::chrono::steady_clock::now();
      if (!reap_now_ && !stop.stop_requested() && left.count() > 0)
        tick_wake_.wait_for(lock, std::chrono::ceil<std::chrono::milliseconds>(left));
      reap_now_ = false;
    }
    if (stop.stop_requested()) return;
    const bool due = std::chrono::steady_clock::now() >= next;
    (void)contained([&]() -> Status {
      reap();
      if (due) tick();
      return {};
    });
    if (!due) continue;
    next = std::chrono::steady_clock::now() + options_.tick;
  }
}

void Engine::wake() {
  MutexLock lock(tick_mutex_);
  reap_now_ = true;
  tick_wake_.notify_all();
}

void Engine::tick() {
  settle_unseen(Look::kSigned);
  (void)store_.note_recovered();   // a full disk may have kept it from being noted
  reap();
  if (auto freed = evict(); !freed.ok()) log_warn("filesystem.evict.failed", {{"error", freed.error()}});
}

std::chrono::milliseconds Engine::patience(Need::Kind kind) {
  if (kind != Need::Kind::kFresh) return options_.read_deadline;
  return std::min<std::chrono::milliseconds>(kAskPatience, options_.read_deadline);
}

Status Engine::fetch(const Need& need, Instant deadline, std::stop_token stop) {
  if (need.kind == Need::Kind::kAgain) return {};
  if (need.kind == Need::Kind::kContent && fetcher_.online()) {   // what is here is not given up for what cannot come
    // Whatever the limit of the cache is, its disk may be smaller. One without room even so may still take the little that is wanted.
    auto room = make_room(backing_, *this, [this] { reap(); }, options_.reserve_bytes, need.extent.length());
    if (!room.ok()) log_warn("filesystem.evict.failed", {{"error", room.error()}});
  }
  Status fetched = fetcher_.fetch(need, deadline, stop);
  if (need.kind != Need::Kind::kFresh) return fetched;
  if (!fetched.ok()) log_debug("filesystem.not_asked", {{"why", fetched.error()}});
  if (stop.stop_requested()) return Error(Code::kInterrupted, "interrupted");
  return {};
}

/// Views need no telling: they are compared with the row's content id at each use. What the kernel keeps of a file that
/// is not open now is doubted at its next open. Inodes that lost their last name elsewhere stay for those who have them
/// open.
void Engine::tree_changed(const VisibleChanges& changes) {
  std::vector<InodeId> erased;
  {
    MutexLock lock(store_.mutex());
    for (InodeId inode : changes.contents) {
      if (changed_elsewhere_.size() >= kMaxChangedElsewhere) {
        changed_elsewhere_.clear();
        trust_no_pages_ = true;
      }
      changed_elsewhere_.insert(inode);
    }
    for (InodeId inode : changes.dead) {
      orphans_.insert(inode);
      auto it = open_.find(inode);
      if (it != open_.end()) it->second->forgotten = true;
      if (it == open_.end() || it->second->handles == 0) erased.push_back(inode);
    }
  }
  for (InodeId inode : erased) forget(inode);
}

Result<std::uint64_t> Engine::evict() { return backing_.evict(*this, UINT64_MAX); }

/// A file may go when nobody has it open and the server has all of it.
bool Engine::give_up(InodeId inode) {
  MutexLock lock(store_.mutex());
  if (open_.count(inode) != 0 || lingering_.count(inode) != 0) return false;
  auto row = store_.inode(lock, inode);
  if (!row.ok()) return row.error().code() == Code::kNotFound;
  return server_has_all(lock, *row) && store_.note_content(lock, inode, {0, kEndOfAll}, false).ok();
}

bool Engine::server_has_all(const MutexLock& lock, const InodeRow& row) {
  const auto content = store_.content(lock, row.id);
  return content.ok() && content->dirty.empty() && (row.attributes.size == 0 || content->manifest_content == row.content);
}

}  // namespace skymoor::client
