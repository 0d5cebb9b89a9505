#include "fuse/app/host/background.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/bytes.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxReportBytes = 64 * 1024;

Bytes encode_report(const Status& outcome) {
  ByteWriter out;
  out.u8(outcome.ok() ? 1 : 0);
  out.u16(outcome.ok() ? 0 : static_cast<std::uint16_t>(outcome.error().code()));
  out.text(outcome.ok() ? std::string() : outcome.error().to_string().substr(0, kMaxReportBytes / 2));
  return out.take();
}

Status decode_report(ByteView bytes, const std::string& log_file) {
  ByteReader in(bytes);
  const bool ok = in.u8() == 1;
  const auto code = static_cast<Code>(in.u16());
  std::string message = in.text(kMaxReportBytes);
  if (!in.finish("report").ok())
    return Error(Code::kInternal, "the mount process ended before it was ready; its last words are in " + log_file);
  if (ok) return {};
  return Error(code, std::move(message));
}

Bytes read_all(int fd) {
  Bytes all;
  std::uint8_t piece[4096];
  for (;;) {
    const ssize_t n = ::read(fd, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || all.size() > kMaxReportBytes) return all;
    append(all, ByteView(piece, static_cast<std::size_t>(n)));
  }
}

void detach_from_terminal(const std::string& log_file) {
  ::umask(077);
  (void)!::chdir("/");
  if (const int null = ::open("/dev/null", O_RDWR); null >= 0) {
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
    if (null > STDERR_FILENO) ::close(null);
  }
  if (const int log = ::open(log_file.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0600); log >= 0) {
    ::dup2(log, STDERR_FILENO);
    ::close(log);
  }
}

}  // namespace

Status StartReport::send(const Status& outcome) {
  if (!pipe_) return {};
  const Bytes report = encode_report(outcome);
  // One write: a report is smaller than a pipe.
  const ssize_t n = ::write(pipe_.get(), report.data(), report.size());
  pipe_.reset();
  if (n != static_cast<ssize_t>(report.size()))
    return Error(Code::kCancelled, "whoever asked for the mount has gone");
  return {};
}

Status StartReport::ready() { return send({}); }
void StartReport::failed(const Error& error) { (void)send(error); }

Status run_in_background(const std::string& log_file, const std::function<int(StartReport&)>& body) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe");
  UniqueFd reading(ends[0]), writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return Error::from_errno(errno, "fork");
  if (child == 0) {
    reading.reset();
    ::setsid();
    // The second child can never get a terminal, and is not the first one's to wait for.
    if (const pid_t second = ::fork(); second != 0) ::_exit(second < 0 ? 1 : 0);
    ::signal(SIGPIPE, SIG_IGN);
    detach_from_terminal(log_file);
    StartReport report(std::move(writing));
    ::_exit(body(report));
  }
  writing.reset();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return decode_report(read_all(reading.get()), log_file);
}

}  // namespace skymoor::client
