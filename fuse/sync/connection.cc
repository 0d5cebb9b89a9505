#include "fuse/sync/connection.h"

#include "shared/base/log.h"

namespace skymoor::client {

bool unreachable(const Error& error) {
  switch (error.code()) {
    case Code::kOffline:
    case Code::kTimedOut:
    case Code::kUnavailable:
    case Code::kBadCertificate:
      return true;
    default: return false;
  }
}

void Connection::note(const Status& outcome, std::chrono::milliseconds patience) {
  if (!outcome.ok() && outcome.error().code() == Code::kTimedOut && patience < std::chrono::seconds(1)) return;
  if (!outcome.ok() && (outcome.error().code() == Code::kCancelled || outcome.error().code() == Code::kInterrupted))
    return;
  const bool reached = outcome.ok() || !unreachable(outcome.error());
  MutexLock lock(mutex_);
  if (!reached || (!outcome.ok() && outcome.error().code() == Code::kUnauthenticated)) {
    failed_at_ = clock_.monotonic();
    failure_ = outcome.error();
    ++failures_;
  }
  if (reached) view_.answered = clock_.monotonic();
  if (view_.stopped) return;
  const bool online = reached && (outcome.ok() || outcome.error().code() != Code::kUnauthenticated);
  if (online) failed_at_.reset();
  const std::string reason = online ? "" : outcome.error().to_string();
  if (view_.since && view_.online == online) {
    view_.reason = reason;
    return;
  }
  view_ = {online, false, clock_.now(), reason, view_.answered};
  lock.unlock();
  if (online) {
    log_info("sync.online");
  } else {
    log_warn("sync.offline", {{"reason", reason}});
  }
}

void Connection::stop_for_good(std::string reason) {
  {
    MutexLock lock(mutex_);
    if (view_.stopped) return;
    view_ = {false, true, clock_.now(), reason, view_.answered};
    failure_ = Error(Code::kUnknownServer, reason);
    ++failures_;
  }
  log_error("sync.stopped", {{"reason", reason}});
}

Status Connection::ready() {
  MutexLock lock(mutex_);
  if (view_.stopped) return Error(Code::kUnknownServer, view_.reason);
  if (failed_at_ && clock_.monotonic() - *failed_at_ < std::chrono::seconds(1))
    return Error(Code::kOffline, "the server cannot be reached: " + view_.reason);
  return {};
}

bool Connection::online() {
  MutexLock lock(mutex_);
  return view_.online;
}

bool Connection::stopped() {
  MutexLock lock(mutex_);
  return view_.stopped;
}

Connection::View Connection::view() {
  MutexLock lock(mutex_);
  return view_;
}

std::uint64_t Connection::failures() {
  MutexLock lock(mutex_);
  return failures_;
}

Error Connection::last_failure() {
  MutexLock lock(mutex_);
  return failure_ ? *failure_ : Error(Code::kOffline, "the server has not been reached yet");
}

}  // namespace skymoor::client
