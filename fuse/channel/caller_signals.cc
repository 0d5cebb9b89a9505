#include "fuse/channel/caller_signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "shared/base/fd.h"

namespace skymoor::client {
namespace {

constexpr std::uint64_t set_of(std::initializer_list<int> signals) {
  std::uint64_t set = 0;
  for (int signal : signals) set |= 1ull << (signal - 1);
  return set;
}

// Without a handler these end nothing.
constexpr std::uint64_t kHarmless =
    set_of({SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU});
constexpr std::uint64_t kAskToEnd = set_of({SIGINT, SIGTERM, SIGHUP, SIGQUIT});

std::optional<std::uint64_t> field(std::string_view status, std::string_view name) {
  const auto at = status.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view value = status.substr(at + name.size());
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  std::uint64_t set = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), set, 16);
  return read.ec == std::errc() ? std::optional(set) : std::nullopt;
}

}  // namespace

bool signals_end_call(std::string_view status) {
  const auto own = field(status, "\nSigPnd:"), shared = field(status, "\nShdPnd:"), blocked = field(status, "\nSigBlk:"),
             ignored = field(status, "\nSigIgn:"), caught = field(status, "\nSigCgt:");
  if (!own || !shared || !blocked || !ignored || !caught) return true;
  const std::uint64_t pending = (*own | *shared) & ~*blocked & ~*ignored;
  return (pending & ((~*caught & ~kHarmless) | kAskToEnd)) != 0;
}

bool caller_wants_out(pid_t pid) {
  if (pid <= 0) return true;
  UniqueFd fd(::open(("/proc/" + std::to_string(pid) + "/status").c_str(), O_RDONLY | O_CLOEXEC));
  char text[8192];
  const ssize_t size = fd ? ::read(fd.get(), text, sizeof text) : -1;
  return size <= 0 || signals_end_call({text, static_cast<std::size_t>(size)});
}

}  // namespace skymoor::client
