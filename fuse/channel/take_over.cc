// Going on with a session that another process had: libfuse is told what was negotiated, the kernel asked for what was
// not answered.
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/uio.h>

#include "fuse/channel/channel_impl.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

// From 7.40 of the protocol (Linux 6.9); Debian 12's headers are older. Source: include/uapi/linux/fuse.h.
constexpr std::int32_t kNotifyResend = 7;

}  // namespace

/// The kernel sends INIT once a mount: libfuse gets the old one, and its answer goes nowhere.
Status FuseChannel::replay_init(const Bytes& request) {
  if (request.size() < sizeof(fuse_in_header)) return Error(Code::kCorrupt, "the mount to take over was never negotiated");
  Bytes copy = request;
  fuse_buf buffer = {};
  buffer.mem = copy.data();
  buffer.size = copy.size();
  replaying_init_ = true;
  fuse_session_process_buf(session_, &buffer);
  replaying_init_ = false;
  return fuse_session_exited(session_) ? Status(Error(Code::kNotSupported, "libfuse does not take the session over")) : Status();
}

Status FuseChannel::take_session_over() {
  const Handover& before = *options_.handover;
  TRY(replay_init(before.init()));
  std::vector<OpenFile> open = before.open_files();
  passthrough_.restore(open, before.passthrough());
  MutexLock lock(unanswered_mutex_);
  for (const OpenFile& file : open) unanswered_.emplace(file.request, file.file.handle);
  return {};
}

/// What the process before had read and not answered comes again, marked with kResent.
void FuseChannel::ask_again() {
  fuse_out_header header = {};
  header.len = sizeof header;
  header.error = kNotifyResend;
  if (::write(session_fd(), &header, sizeof header) != static_cast<ssize_t>(sizeof header))
    log_warn("channel.resend_refused", {{"errno", errno}});
}

std::optional<Lsn> FuseChannel::done_before(const Request& request) const {
  if (!request.comes_again() || !options_.take_over) return std::nullopt;
  auto lsn = options_.handover->commit_of(request.number & ~kResent);
  if (!lsn || *lsn > options_.take_over->recovered) return std::nullopt;
  return lsn;
}

void FuseChannel::drop_unanswered_open(const Request& request) {
  if (!request.comes_again()) return;
  std::optional<HandleId> handle;
  {
    MutexLock lock(unanswered_mutex_);
    auto it = unanswered_.find(request.number & ~kResent);
    if (it == unanswered_.end()) return;
    handle = it->second;
    unanswered_.erase(it);
  }
  end_handle(*handle);
}

void FuseChannel::end_handle(HandleId handle) {
  passthrough_.release(handle);
  if (auto inode = filesystem_.release(handle)) drop_pages(*inode);
  if (options_.handover) options_.handover->closed(handle);
}

/// Takes the mount away, unless that has happened: then the session's descriptor says so.
void FuseChannel::unmount_taken_over() {
  pollfd state{session_fd(), 0, 0};
  if (::poll(&state, 1, 0) == 1 && (state.revents & POLLERR)) return;
  options_.take_over->unmount();
}

}  // namespace skymoor::client
