#include "fuse/app/console.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>

#include "shared/base/fd.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxAnswerBytes = 4096;

void write_line(std::FILE* to, std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), to);
  std::fputc('\n', to);
  std::fflush(to);
}

/// Turns the terminal's echo off for a scope.
class EchoOff {
 public:
  explicit EchoOff(int fd) : fd_(fd), changed_(::tcgetattr(fd, &before_) == 0) {
    if (!changed_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(fd_, TCSAFLUSH, &silent);
  }
  ~EchoOff() {
    if (changed_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;

 private:
  const int fd_;
  termios before_ = {};
  const bool changed_;
};

/// Keeps the signals that would end or stop the process for a scope, so that it first sets the terminal right again.
class HeldSignals {
 public:
  HeldSignals() {
    sigset_t held;
    sigemptyset(&held);
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP}) sigaddset(&held, number);
    ::pthread_sigmask(SIG_BLOCK, &held, &before_);
    fd_ = UniqueFd(::signalfd(-1, &held, SFD_CLOEXEC));
  }
  ~HeldSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  /// Waits until `fd` can be read. The signal that came first, or 0.
  int wait_for(int fd) const {
    pollfd waited[] = {{fd, POLLIN, 0}, {fd_.get(), POLLIN, 0}};
    while (::poll(waited, 2, -1) < 0 && errno == EINTR) {
    }
    signalfd_siginfo came = {};
    if ((waited[1].revents & POLLIN) == 0 || ::read(fd_.get(), &came, sizeof came) != sizeof came) return 0;
    return static_cast<int>(came.ssi_signo);
  }

 private:
  sigset_t before_ = {};
  UniqueFd fd_;
};

/// `signals`: answered by `interrupted` set and an error; whoever asked raises it again.
Result<crypto::SecretBytes> read_answer(int fd, const HeldSignals* signals = nullptr, int* interrupted = nullptr) {
  crypto::SecretBytes line(kMaxAnswerBytes);
  std::size_t size = 0;
  for (;;) {
    if (signals && (*interrupted = signals->wait_for(fd)) != 0) return Error(Code::kCancelled, "interrupted");
    std::uint8_t c = 0;
    const ssize_t n = ::read(fd, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "read the answer");
    if (n == 0 && size == 0) return Error(Code::kCancelled, "no answer: nothing was done");
    if (n == 0 || c == '\n') break;
    if (size == kMaxAnswerBytes) return Error(Code::kInvalidArgument, "the answer is too long");
    line.mutable_view()[size++] = c;
  }
  return crypto::SecretBytes(line.view().first(size));
}

Result<UniqueFd> open_terminal(std::string_view instead) {
  UniqueFd fd(::open("/dev/tty", O_RDWR | O_CLOEXEC));
  if (fd) return fd;
  return Error(Code::kInvalidArgument, "nobody is here to answer: give " + std::string(instead));
}

}  // namespace

void Console::say(std::string_view line) {
  if (!json_) write_line(stdout, line);
}
void Console::result(const std::string& json_text) {
  if (json_) write_line(stdout, json_text);
}
void Console::note(std::string_view line) { write_line(stderr, line); }

void Console::failure(const Error& error) {
  write_line(stderr, "skymoor: " + error.to_string());
  result(protocol::dump({{"ok", false}, {"code", wire_name_of(error.code())}, {"message", error.to_string()}}));
}

bool Console::interactive() const { return UniqueFd(::open("/dev/tty", O_RDWR | O_CLOEXEC)).get() >= 0; }
bool Console::output_is_terminal() const { return ::isatty(STDOUT_FILENO) == 1; }

Result<std::string> Console::ask(std::string_view question, std::string_view instead) {
  UniqueFd terminal = TRY(open_terminal(instead));
  (void)!::write(terminal.get(), question.data(), question.size());
  const auto answer = TRY(read_answer(terminal.get()));
  return std::string(as_text(answer.view()));
}

Result<crypto::SecretBytes> Console::ask_secret(std::string_view question, std::string_view instead) {
  UniqueFd terminal = TRY(open_terminal(instead));
  for (;;) {
    int interrupted = 0;
    (void)!::write(terminal.get(), question.data(), question.size());
    auto answer = [&] {
      HeldSignals signals;
      EchoOff silent(terminal.get());
      return read_answer(terminal.get(), &signals, &interrupted);
    }();
    (void)!::write(terminal.get(), "\n", 1);
    if (interrupted == 0) return answer;
    ::raise(interrupted);  // comes back from a stop only: the question is asked again then
    if (interrupted != SIGTSTP) return answer;
  }
}

}  // namespace skymoor::client
