#include "fuse/app/host/worker_link.h"

#include <poll.h>
#include <sys/socket.h>

#include <cstring>

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxMessage = 8192;

Status send_message(int socket, WorkerMessage::Kind kind, std::string_view text, int fd = -1) {
  std::string bytes(1, static_cast<char>(kind));
  bytes += text;
  iovec part{bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  if (::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size())) return {};
  if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
    return Error(Code::kOffline, "the mount's supervisor is gone");
  return Error::from_errno(errno, "tell the mount's supervisor");
}

}  // namespace

Status WorkerLink::keep(int session_fd) { return send_message(fd(), WorkerMessage::Kind::kKeep, "", session_fd); }
Status WorkerLink::serving() { return send_message(fd(), WorkerMessage::Kind::kServing, ""); }

Status WorkerLink::upgrade_to(const std::string& program) {
  if (program.size() >= kMaxMessage) return Error(Code::kInvalidArgument, "the program's path is too long");
  return send_message(fd(), WorkerMessage::Kind::kUpgrade, program);
}

bool WorkerLink::supervised() const {
  pollfd p{fd(), POLLIN, 0};
  return ::poll(&p, 1, 0) == 0;   // nothing is ever sent this way but the end
}

std::optional<WorkerMessage> receive_from_worker(int socket) {
  char bytes[kMaxMessage + 1];
  iovec part{bytes, sizeof bytes};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (size <= 0) return std::nullopt;
  WorkerMessage out;
  out.kind = static_cast<WorkerMessage::Kind>(bytes[0]);
  out.program.assign(bytes + 1, static_cast<std::size_t>(size) - 1);
  if (cmsghdr* header = CMSG_FIRSTHDR(&message); header && header->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    out.session.reset(fd);
  }
  return out;
}

}  // namespace skymoor::client
