// How every operation is run: try, answer, or hand over to wait for what is missing. No exception leaves a callback.
#pragma once
#include "fuse/channel/channel_impl.h"
#include "fuse/channel/convert.h"
#include "shared/base/log.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {

/// The errno for an answer; unexpected failures are logged where they leave the house.
inline int answer_errno(const Error& error) {
  if (level_of(error.code()) == ErrorLevel::kError) log_error("channel.operation_failed", {{"why", error}});
  return errno_of(error);
}

template <typename Function>
void guarded(fuse_req_t req, Function&& function) {
  try {
    function();
  } catch (const std::exception& e) {
    const Error error = error_of(e);
    (void)contained([&]() -> Status {
      log_error("channel.exception", {{"error", error}});
      return {};
    });
    fuse_reply_err(req, errno_of(error));
  }
}

/// Runs `operation(Request&) -> Result<T>` and answers with `reply(value)`. When something is missing, both move to the
/// slow pool: they must own what they use. An operation that borrows memory of this thread has a method `keep() -> Status`,
/// which is called before that.
template <typename Operation, typename Reply>
void dispatch(fuse_req_t req, Operation operation, Reply reply) {
  guarded(req, [&] {
    Request request = request_of(req);
    auto attempt = [req](Request& r, Operation& op, Reply& answer) -> bool {
      Handover::Serving serving(r.number & ~kResent);
      auto result = op(r);
      if (result.ok()) {
        if (r.stale) FuseChannel::of(req).forget_attributes(*r.stale);
        if constexpr (std::is_void_v<typename decltype(result)::value_type>)
          answer();
        else
          answer(std::move(result).value());
        return true;
      }
      if (result.error().code() == Code::kNotPresent && r.need) return false;
      if (result.error().code() == Code::kCancelled && FuseChannel::of(req).handing_over())
        fuse_reply_none(req);
      else
        fuse_reply_err(req, answer_errno(result.error()));
      return true;
    };
    if (attempt(request, operation, reply)) return;
    if constexpr (requires { operation.keep(); }) {
      if (Status kept = operation.keep(); !kept.ok()) {
        fuse_reply_err(req, request.need->kind == Need::Kind::kRoom ? ENOSPC : answer_errno(kept.error()));
        return;
      }
    }
    FuseChannel::of(req).slow_calls().take(
        req, std::move(request),
        [attempt, op = std::move(operation), answer = std::move(reply)](Request& r) mutable { return attempt(r, op, answer); });
  });
}

/// For operations that must not be done twice: `done(Request&, Lsn) -> Result<T>` answers for one that the process before
/// did, by the record it left, but whose answer it did not send.
template <typename Operation, typename Done>
auto once(FuseChannel& channel, Operation operation, Done done) {
  return [&channel, operation = std::move(operation), done = std::move(done)](Request& r) mutable {
    if (auto lsn = channel.done_before(r)) {
      auto result = done(r, *lsn);
      if (result.ok() || result.error().code() != Code::kNotFound) return result;
    }
    return operation(r);
  };
}

/// For operations whose success is errno 0.
template <typename Operation>
void dispatch_status(fuse_req_t req, Operation operation) {
  dispatch(req, std::move(operation), [req] { fuse_reply_err(req, 0); });
}

template <typename Operation>
void dispatch_status_once(fuse_req_t req, Operation operation) {
  dispatch_status(req, once(FuseChannel::of(req), std::move(operation), [](Request&, Lsn) { return Status(); }));
}

}  // namespace skymoor::client
