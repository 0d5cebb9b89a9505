#include "fuse/channel/slow_calls.h"

#include "fuse/channel/dispatch.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {
// Enough that a few dozen stuck readers leave room for others; each costs a thread's stack only while it waits.
constexpr std::size_t kThreads = 32;
constexpr std::size_t kQueue = 4096;
// A fetched page can be evicted or invalidated before the second look; more rounds than this mean that something is
// wrong.
constexpr int kMaxRounds = 64;
}  // namespace

struct SlowCalls::Call {
  fuse_req_t req;
  Request request;
  Attempt attempt;
  std::stop_source interrupted;
};

SlowCalls::SlowCalls(Filesystem& filesystem)
    : filesystem_(filesystem), pool_({.name = "fetch", .threads = kThreads, .queue_limit = kQueue}) {}

void SlowCalls::take(fuse_req_t req, Request request, Attempt attempt) {
  auto call = std::make_shared<Call>(Call{req, std::move(request), std::move(attempt), {}});
  fuse_req_interrupt_func(
      req, [](fuse_req_t, void* data) { static_cast<Call*>(data)->interrupted.request_stop(); }, call.get());
  if (Status queued = pool_.submit([this, call] { run(call); }); !queued.ok()) {
    log_warn("channel.fetch_pool_full", {{"why", queued.error()}});
    fuse_req_interrupt_func(req, nullptr, nullptr);
    fuse_reply_err(req, EIO);
  }
}

void SlowCalls::run(const std::shared_ptr<Call>& call) {
  std::stop_callback on_stop(stop_.get_token(), [&] { call->interrupted.request_stop(); });
  int err = EIO;
  for (int round = 0; round < kMaxRounds; ++round) {
    if (!call->request.need) break;
    Need need = *call->request.need;
    if (Status got = filesystem_.fetch(need, call->interrupted.get_token()); !got.ok()) {
      err = call->interrupted.stop_requested() ? EINTR : errno_of(got.error());
      log_debug("channel.fetch_failed", {{"inode", need.inode.value}, {"why", got.error()}});
      break;
    }
    call->request.need.reset();
    // From here the request may be answered and freed: nobody may interrupt it any more.
    fuse_req_interrupt_func(call->req, nullptr, nullptr);
    if (call->attempt(call->request)) return;
    fuse_req_interrupt_func(
        call->req, [](fuse_req_t, void* data) { static_cast<Call*>(data)->interrupted.request_stop(); }, call.get());
  }
  fuse_req_interrupt_func(call->req, nullptr, nullptr);
  if (unanswered_ && stop_.stop_requested())
    fuse_reply_none(call->req);
  else
    fuse_reply_err(call->req, err);
}

void SlowCalls::run_blocking(fuse_req_t req, std::function<Status(Request&)> operation) {
  auto work = [this, req, operation = std::move(operation)](bool spare) {
    guarded(req, [&] {
      Request request = request_of(req);
      Status done = operation(request);
      // Before the answer: whoever gets it may be back with the next one before this thread goes on.
      if (std::exchange(spare, false)) spare_readers_.fetch_add(1, std::memory_order_relaxed);
      fuse_reply_err(req, done.ok() ? 0 : errno_of(done.error()));
    });
    if (spare) spare_readers_.fetch_add(1, std::memory_order_relaxed);
  };
  if (spare_readers_.fetch_sub(1, std::memory_order_relaxed) > 0) return work(true);
  spare_readers_.fetch_add(1, std::memory_order_relaxed);
  if (Status queued = pool_.submit([work] { work(false); }); !queued.ok()) work(false);
}

void SlowCalls::stop(bool unanswered) {
  if (unanswered) unanswered_ = true;
  stop_.request_stop();
  pool_.stop();
}

}  // namespace skymoor::client
