#include "fuse/channel/slow_calls.h"

#include "fuse/channel/caller_signals.h"
#include "fuse/channel/dispatch.h"
#include "fuse/channel/lock_ranks.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

// More would not fetch faster: a few downloads run at a time. Who asks for news does a round trip each, and once one of
// them has waited in vain the others need not. Each thread costs a stack only while it waits.
constexpr std::size_t kContentThreads = 20, kNameThreads = 8, kFreshThreads = 32, kRoomThreads = 4, kLocalThreads = 4,
                      kSyncThreads = 8;
// A fetched page can be evicted or invalidated before the second look; more rounds than this mean that something is
// wrong.
constexpr int kMaxRounds = 64;
// When a readahead fails, the kernel asks once more for the page that the reader waits for, in a request that looks like
// any other: it gets what is left of the first one's deadline, or a short look.
constexpr std::chrono::milliseconds kRepeat = 1s, kShortLook = 100ms;
constexpr std::size_t kLateReads = 1024;
// fsync=remote has the read deadline for the server, and the disk before.
constexpr auto kDiskPatience = 2s;

Executor::Options pool(const char* name, std::size_t threads) {
  return {.name = name, .threads = threads, .queue_limit = 2 * WaitingCalls::kMaxWaiting};
}

Instant now() { return SystemClock().monotonic(); }

int late_errno(const std::optional<Need>& need) { return need && need->kind == Need::Kind::kRoom ? ENOSPC : ETIMEDOUT; }

}  // namespace

struct SlowCalls::Call final : WaitingCalls::Wait {
  Call(SlowCalls& owner, fuse_req_t r, Request what, Attempt how)
      : Wait(what.pid), calls(owner), req(r), request(std::move(what)), attempt(std::move(how)), arrived(now()) {}
  void end(WaitingCalls::End why) override { calls.answer_end(*this, why); }

  SlowCalls& calls;
  const fuse_req_t req;
  // Of whoever has claimed the call; the need may be read while it waits.
  Request request;
  Attempt attempt;
  const Instant arrived;
  Instant deadline;
  bool short_look = false;
};

SlowCalls::SlowCalls(Filesystem& filesystem, Watchdog* watchdog)
    : filesystem_(filesystem),
      watchdog_(watchdog),
      waiting_(caller_wants_out),
      contents_(pool("content", kContentThreads)),
      names_(pool("names", kNameThreads)),
      fresh_(pool("fresh", kFreshThreads)),
      room_(pool("room", kRoomThreads)),
      local_(pool("local", kLocalThreads)),
      syncs_(pool("syncs", filesystem.syncs_remotely() ? kSyncThreads : 0)),
      late_mutex_(kLateReadsRank, "channel.late_reads") {}

/// Before a call waits: afterwards another thread may have answered it. libfuse calls back with a lock of the request held,
/// which answering takes as well: so it is only noted.
void SlowCalls::listen(Call& call) {
  fuse_req_interrupt_func(
      call.req,
      [](fuse_req_t, void* data) {
        auto& signalled = *static_cast<Call*>(data);
        signalled.calls.waiting_.signalled(signalled);
      },
      &call);
}

/// True: the call is the caller's, and nobody tells of its signals.
bool SlowCalls::claim(Call& call) {
  if (!waiting_.claim(call)) return false;
  fuse_req_interrupt_func(call.req, nullptr, nullptr);
  return true;
}

void SlowCalls::take(fuse_req_t req, Request request, Attempt attempt) {
  auto call = std::make_shared<Call>(*this, req, std::move(request), std::move(attempt));
  const Need& need = *call->request.need;
  call->short_look = was_late(need);
  call->deadline = call->arrived + (call->short_look ? kShortLook : filesystem_.patience(Need::Kind::kContent));
  listen(*call);
  run_by(call, pool_for(need), [this, call] { run(call); });
}

void SlowCalls::run_by(const std::shared_ptr<Call>& call, Executor& pool, std::function<void()> work) {
  if (!waiting_.add(*call, call->deadline)) {
    fuse_req_interrupt_func(call->req, nullptr, nullptr);
    log_warn("channel.too_many_calls_wait", {{"bound", WaitingCalls::kMaxWaiting}});
    answer(*call, EIO);
  } else if (Status queued = submit(pool, std::move(work)); !queued.ok() && claim(*call)) {
    log_warn("channel.call_refused", {{"why", queued.error()}});
    answer(*call, EIO);
  }
}

Status SlowCalls::submit(Executor& pool, std::function<void()> work) {
  if (&pool != &local_) return pool.submit(std::move(work));
  return pool.submit([this, work = std::move(work)] {
    Watchdog::Watched watched(watchdog_, "local");
    Watchdog::Busy busy(watched);
    work();
  });
}

void SlowCalls::run(const std::shared_ptr<Call>& call) {
  bool mine = false;
  try {
    for (int round = 0; round < kMaxRounds;) {
      const Need need = *call->request.need;
      if (need.kind != Need::Kind::kRoom) ++round;   // others may be as quick to take it: until the deadline
      const Instant deadline = std::min(call->deadline, now() + filesystem_.patience(need.kind));
      Status got = filesystem_.fetch(need, deadline, call->token());
      if (!(mine = claim(*call))) return;
      if (!got.ok()) {
        log_debug("channel.fetch_failed", {{"inode", need.inode.value}, {"why", got.error()}});
        if (got.error().code() == Code::kTimedOut && !call->short_look) note_late(need);
        return answer(*call, errno_of(got.error()));
      }
      call->request.need.reset();
      if (call->attempt(call->request)) return;
      Executor& next = pool_for(*call->request.need);
      const bool elsewhere = &next != &pool_for(need);
      mine = false;
      listen(*call);
      if (!waiting_.resume(*call, call->deadline)) return answer_end(*call, WaitingCalls::End::kStopped);
      if (!elsewhere) continue;
      if (Status queued = submit(next, [this, call] { run(call); }); !queued.ok() && claim(*call)) answer(*call, EIO);
      return;
    }
    log_warn("channel.call_comes_to_nothing", {{"rounds", kMaxRounds}});
  } catch (const std::exception& e) {
    log_error("channel.exception", {{"what", e.what()}});
  }
  if (mine || claim(*call)) answer(*call, EIO);
}

void SlowCalls::answer(Call& call, int error) {
  if (unanswered_)
    fuse_reply_none(call.req);
  else
    fuse_reply_err(call.req, error);
}

void SlowCalls::answer_end(Call& call, WaitingCalls::End why) {
  fuse_req_interrupt_func(call.req, nullptr, nullptr);
  if (why == WaitingCalls::End::kTimedOut && !call.short_look && call.request.need) note_late(*call.request.need);
  answer(call, why == WaitingCalls::End::kTimedOut ? late_errno(call.request.need) : EINTR);
}

Executor& SlowCalls::pool_for(const Need& need) {
  switch (need.kind) {
    case Need::Kind::kContent: return contents_;
    case Need::Kind::kFresh: return fresh_;
    case Need::Kind::kRoom: return room_;
    case Need::Kind::kAgain: return local_;
    case Need::Kind::kDirectory:
    case Need::Kind::kInode: break;
  }
  return names_;
}

bool SlowCalls::was_late(const Need& need) {
  if (need.kind != Need::Kind::kContent) return false;
  MutexLock lock(late_mutex_);
  while (!late_.empty() && late_.front().when + kRepeat < now()) late_.pop_front();
  return std::any_of(late_.begin(), late_.end(), [&](const LateRead& late) {
    return late.inode == need.inode && late.extent.begin < need.extent.end && need.extent.begin < late.extent.end;
  });
}

void SlowCalls::note_late(const Need& need) {
  if (need.kind != Need::Kind::kContent) return;
  MutexLock lock(late_mutex_);
  if (late_.size() == kLateReads) late_.pop_front();
  late_.push_back({need.inode, need.extent, now()});
}

void SlowCalls::run_blocking(fuse_req_t req, std::function<Status(Request&)> operation) {
  if (filesystem_.syncs_remotely())
    return run_remote_sync(req, std::move(operation), [req] { fuse_reply_err(req, 0); });
  auto work = [this, req, request = request_of(req), operation = std::move(operation)](bool spare) mutable {
    guarded(req, [&] {
      Status done = operation(request);
      // Before the answer: whoever gets it may be back with the next one before this thread goes on.
      if (std::exchange(spare, false)) spare_readers_.fetch_add(1, std::memory_order_relaxed);
      fuse_reply_err(req, done.ok() ? 0 : errno_of(done.error()));
    });
    if (spare) spare_readers_.fetch_add(1, std::memory_order_relaxed);
  };
  if (spare_readers_.fetch_sub(1, std::memory_order_relaxed) > 0) return work(true);
  spare_readers_.fetch_add(1, std::memory_order_relaxed);
  if (Status queued = submit(local_, [work]() mutable { work(false); }); !queued.ok()) work(false);
}

void SlowCalls::run_remote_sync(fuse_req_t req, std::function<Status(Request&)> operation,
                                std::function<void()> answer_success) {
  auto call = std::make_shared<Call>(*this, req, request_of(req), Attempt());
  call->deadline = call->arrived + filesystem_.patience(Need::Kind::kContent) + kDiskPatience;
  listen(*call);
  run_by(call, syncs_, [this, call, operation = std::move(operation), answer_success = std::move(answer_success)] {
    if (call->token().stop_requested()) return;   // it was answered while it was queued
    Request request = call->request;
    request.stop = call->token();
    int error = EIO;
    try {
      Status done = operation(request);
      error = done.ok() ? 0 : errno_of(done.error());
    } catch (const std::exception& e) {
      log_error("channel.exception", {{"what", e.what()}});
    }
    if (!claim(*call)) return;
    if (error == 0 && !unanswered_)
      answer_success();
    else
      answer(*call, error);
  });
}

void SlowCalls::stop(bool unanswered) {
  if (unanswered) unanswered_ = true;
  waiting_.stop();
  for (Executor* pool : {&contents_, &names_, &fresh_, &room_, &local_, &syncs_}) pool->stop();
}

}  // namespace skymoor::client
