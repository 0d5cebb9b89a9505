#include "fuse/channel/channel.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse/channel/channel_impl.h"
#include "fuse/channel/dispatch.h"
#include "fuse/channel/lock_ranks.h"

namespace skymoor::client {
namespace {

void do_init(void* self, fuse_conn_info* conn) {
  auto& channel = *static_cast<FuseChannel*>(self);
  auto want = [conn](unsigned capability) {
    if (conn->capable & capability) conn->want |= capability;
  };
  want(FUSE_CAP_ASYNC_READ);
  want(FUSE_CAP_ATOMIC_O_TRUNC);
  want(FUSE_CAP_EXPORT_SUPPORT);
  want(FUSE_CAP_PARALLEL_DIROPS);
  want(FUSE_CAP_READDIRPLUS);
  want(FUSE_CAP_READDIRPLUS_AUTO);
  want(FUSE_CAP_CACHE_SYMLINKS);
  want(FUSE_CAP_NO_OPENDIR_SUPPORT);
  want(FUSE_CAP_POSIX_ACL);
  want(FUSE_CAP_DONT_MASK);
  // The writeback cache would let a write return before the daemon has seen it: lost with the daemon (promise P1).
  conn->want &= ~static_cast<unsigned>(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
                                       FUSE_CAP_SPLICE_MOVE | FUSE_CAP_AUTO_INVAL_DATA);
  // With it the kernel waits for direct I/O where not even a kill reaches it (fs/fuse/file.c, fuse_direct_IO).
  conn->want &= ~static_cast<unsigned>(FUSE_CAP_ASYNC_DIO);
  conn->max_write = kMaxRequestBytes;
  conn->max_read = kMaxRequestBytes;  // libfuse wants the mount option said twice
  conn->max_readahead = kMaxRequestBytes;
  // Readaheads under way: with fewer, readers of what is not here wait in the kernel, where no deadline runs.
  conn->max_background = 1024;
  conn->congestion_threshold = 768;
  conn->time_gran = 1;
  log_info("channel.ready", {{"mount", channel.options().mount_point}});
}

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops ops = {};
  ops.init = do_init;
  add_namespace_operations(ops);
  add_attribute_operations(ops);
  add_file_operations(ops);
  add_directory_operations(ops);
  return ops;
}

/// Wakes a thread out of read(2) on the session; the handler has nothing to do but interrupt.
constexpr int kWakeSignal = SIGUSR1;

void install_wake_signal() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(kWakeSignal, &action, nullptr);
}

Status check_device() {
  UniqueFd fd(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (fd) return {};
  if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
    return Error(Code::kNotFound, "/dev/fuse is not there: load the kernel module with 'modprobe fuse'");
  if (errno == EACCES || errno == EPERM)
    return Error(Code::kNotPermitted, "/dev/fuse may not be opened by this user: as root, 'chmod 666 /dev/fuse', or mount as root");
  return Error::from_errno(errno, "open /dev/fuse");
}

Status check_mount_point(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) {
    if (errno == ENOTCONN || errno == ECONNABORTED)
      return Error(Code::kBusy, path + ": a dead mount is still here: remove it with 'umount -l " + path + "'");
    return Error::from_errno(errno, "mount point " + path);
  }
  if (!S_ISDIR(st.st_mode)) return Error(Code::kNotDirectory, "mount point " + path + " is not a directory");
  return {};
}

}  // namespace

std::string escape_commas(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == ',' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

FuseChannel::FuseChannel(Filesystem& filesystem, ChannelOptions options)
    : filesystem_(filesystem),
      options_(std::move(options)),
      slow_calls_(filesystem, options_.watchdog.get()),
      unanswered_mutex_(kUnansweredRank, "channel.unanswered") {}

Result<std::unique_ptr<Channel>> Channel::mount(Filesystem& filesystem, ChannelOptions options) {
  auto channel = std::make_unique<FuseChannel>(filesystem, std::move(options));
  TRY(channel->mount());
  return std::unique_ptr<Channel>(std::move(channel));
}

Status FuseChannel::mount() {
  TRY(check_device());
  if (!options_.take_over) TRY(check_mount_point(options_.mount_point));
  std::string mount_options = "default_permissions,subtype=skymoor,fsname=" +
                              escape_commas("skymoor:" + options_.volume_label) +
                              ",max_read=" + std::to_string(kMaxRequestBytes);
  if (options_.allow_other) mount_options += ",allow_other";
  if (options_.read_only) mount_options += ",ro";
  for (const auto& option : options_.kernel_options) mount_options += "," + option;

  fuse_args args = FUSE_ARGS_INIT(0, nullptr);
  fuse_opt_add_arg(&args, "skymoor");
  fuse_opt_add_arg(&args, ("-o" + mount_options).c_str());
  if (options_.debug) fuse_opt_add_arg(&args, "-d");
  static const fuse_lowlevel_ops kOperations = operations();
  session_ = fuse_session_new(&args, &kOperations, sizeof kOperations, this);
  fuse_opt_free_args(&args);
  if (!session_) return Error(Code::kInvalidArgument, "FUSE does not take the mount options '" + mount_options + "'");
  if (!options_.take_over) TRY(mount_session());
  mounted_ = true;

  static const fuse_custom_io kIo = {
      .writev = [](int fd, iovec* iov, int count,
                   void* self) { return static_cast<FuseChannel*>(self)->write_answer(fd, iov, count); },
      .read =
          [](int fd, void* buffer, std::size_t size, void* self) {
            auto& channel = *static_cast<FuseChannel*>(self);
            keep_resident(buffer, size);
            ssize_t n = channel.passthrough_.read(fd, buffer, size);
            note_request(buffer, n);
            return channel.newer_protocol_.translate(buffer, n);
          },
      .splice_receive = nullptr,
      .splice_send = nullptr};
  const int fd = options_.take_over ? options_.take_over->session_fd : fuse_session_fd(session_);
  passthrough_.start(fd, options_.passthrough, options_.handover);
  if (int rc = fuse_session_custom_io(session_, &kIo, fd); rc != 0) return Error::from_errno(-rc, "FUSE custom I/O");
  if (options_.take_over) TRY(take_session_over());
  invalidator_.start(session_, options_.handover);
  return {};
}

Status FuseChannel::mount_session() {
  if (fuse_session_mount(session_, options_.mount_point.c_str()) == 0) return {};
  int err = errno;
  fuse_session_destroy(session_);
  session_ = nullptr;
  if (err == EPERM && options_.allow_other)
    return Error(Code::kNotPermitted, "mounting on " + options_.mount_point + " with allow_other is not permitted: only " +
                                          "root may, unless /etc/fuse.conf has the line user_allow_other");
  if (err == EPERM)
    return Error(Code::kNotPermitted, "mounting on " + options_.mount_point +
                                          " is not permitted: install fuse3 (fusermount3), or run as root");
  return Error::from_errno(err ? err : EIO, "mount on " + options_.mount_point);
}

ssize_t FuseChannel::write_answer(int fd, iovec* iov, int count) {
  const bool notice = static_cast<const fuse_out_header*>(iov[0].iov_base)->unique == 0;
  // Other notices wait for nothing: they are told from here, by threads with a request in hand.
  const bool may_wait = notice && NoticesMayWait::here();
  if (may_wait && !replaying_init_ && !options_.notify) return write_waiting_notice(fd, iov, count);
  if (!replaying_init_ && !may_wait) {
    newer_protocol_.complete(iov, count);
    return passthrough_.writev(fd, iov, count);
  }
  ssize_t size = 0;
  for (int i = 0; i < count; ++i) size += static_cast<ssize_t>(iov[i].iov_len);
  if (replaying_init_) return size;
  const int error = options_.notify(iov, count);
  if (error == EPIPE) return passthrough_.writev(fd, iov, count);
  if (error == 0) return size;
  errno = error;
  return -1;
}

/// The kernel may write pages before it takes the notice: it can have no end before those writes are answered, and not even a
/// kill would reach the thread that waits for them. So whoever serves goes on until then.
ssize_t FuseChannel::write_waiting_notice(int fd, iovec* iov, int count) {
  ++waiting_notices_;
  ssize_t written = -1;
  int error = ECANCELED;
  if (!stopping_) {
    newer_protocol_.complete(iov, count);
    written = passthrough_.writev(fd, iov, count);
    error = errno;
  }
  --waiting_notices_;
  errno = error;
  return written;
}

Status FuseChannel::take_pages(InodeId inode) {
  NoticesMayWait by_the_notifier;
  if (fuse_lowlevel_notify_inval_inode(session_, inode.value, 0, 0) != -ECANCELED) return {};
  return Error(Code::kCancelled, "the mount's process is to end");
}

void FuseChannel::serve(Readers::Reader& reader) {
  set_thread_name(reader.name());
  Watchdog::Watched watched(options_.watchdog.get(), reader.name());
  fuse_buf buffer = {};
  bool leaves = false;
  while (!(stopping_ || fuse_session_exited(session_)) || waiting_notices_ != 0) {
    if ((leaves = readers_.may_leave(reader))) break;
    int rc = fuse_session_receive_buf(session_, &buffer);
    if (rc == -EINTR || rc == -EAGAIN) continue;
    if (rc == -ENOMEM) {   // for a moment, one hopes
      log_warn("channel.no_memory_to_read", {{"thread", reader.name()}});
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    if (rc < 0) log_error("channel.cannot_read", {{"error", Error::from_errno(-rc, "read requests of the kernel")}});
    if (rc <= 0) break;  // unmounted (ENODEV reads as 0) or broken
    Watchdog::Busy watched_busy(watched);
    Readers::Busy busy(reader);
    fuse_session_process_buf(session_, &buffer);
  }
  std::free(buffer.mem);
  // Any other thread that leaves means that the session is over for all.
  if (!leaves) stop();
}

Status FuseChannel::run() {
  install_wake_signal();
  const int threads = std::max(1, options_.threads);
  slow_calls_.start(threads);
  if (options_.take_over) {
    ask_again();
    invalidator_.doubt(filesystem_);
  }
  readers_.start(static_cast<std::size_t>(threads), [this](Readers::Reader& reader) { serve(reader); });
  while (readers_.running() > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (stopping_) readers_.signal(kWakeSignal);
    else readers_.look(SystemClock().monotonic());
  }
  readers_.join();
  slow_calls_.stop(handing_over_);
  invalidator_.stop();
  return {};
}

void FuseChannel::stop() {
  // Not by fuse_session_exit: libfuse would drop what is read from then on, and a notice may be waiting for it.
  stopping_ = true;
}

FuseChannel::~FuseChannel() {
  stop();
  while (readers_.running() > 0) {
    readers_.signal(kWakeSignal);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  slow_calls_.stop();
  invalidator_.stop();
  readers_.join();
  // One that was detached ends with the session's descriptors.
  if (mounted_ && !handing_over_ && (!options_.on_top || options_.on_top())) {
    if (options_.take_over) unmount_taken_over();
    fuse_session_unmount(session_);
  }
  if (session_) fuse_session_destroy(session_);
}

}  // namespace skymoor::client
