#include "fuse/app/console.h"

#include <fcntl.h>
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

Result<crypto::SecretBytes> read_answer(int fd) {
  crypto::SecretBytes line(kMaxAnswerBytes);
  std::size_t size = 0;
  for (;;) {
    std::uint8_t c = 0;
    const ssize_t n = ::read(fd, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "read the answer");
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
  (void)!::write(terminal.get(), question.data(), question.size());
  EchoOff silent(terminal.get());
  auto answer = read_answer(terminal.get());
  (void)!::write(terminal.get(), "\n", 1);
  return answer;
}

}  // namespace skymoor::client
