#include <sys/stat.h>

#include <filesystem>

#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/mount_control.h"
#include "fuse/app/mount/running_mounts.h"
#include "fuse/remote/backoff.h"
#include "shared/base/settings.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
constexpr auto kPatience = 60s;
constexpr auto kLook = 200ms;
constexpr std::chrono::milliseconds kForever{1000ll * 3600 * 24 * 365};

struct PinnedPath {
  RunningMount mount;
  InodeId inode;
  std::string path;
};

Result<PinnedPath> pinned_path(const std::string& path, CommandContext& context) {
  PinnedPath found{TRY(find_running_mount(context.disk, context.paths, path)), {}, {}};
  struct stat st = {};
  if (::lstat(path.c_str(), &st) != 0) return Error::from_errno(errno, path);
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
    return Error(Code::kInvalidArgument, path + " is neither a file nor a directory: there is nothing to fetch");
  found.inode = InodeId{st.st_ino};
  std::error_code failed;
  found.path = std::filesystem::absolute(path, failed).lexically_normal().string();
  return found;
}

Result<protocol::Json> ask(const RunningMount& mount, const std::string& request) {
  const std::string line = TRY(control_call(mount.directory, request, kPatience));
  const std::string answer = TRY(read_control_answer(line));
  if (answer.empty()) return protocol::Json::object();
  return protocol::parse_object(as_bytes(answer));
}

/// Until everything that is pinned in the mount is here.
Status wait_until_here(const RunningMount& mount, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const protocol::Json state = TRY(ask(mount, pins_request(false)));
    if (state.value("settled", false)) return {};
    const std::string trouble = state.value("trouble", "");
    if (std::chrono::steady_clock::now() > deadline)
      return Error(Code::kTimedOut, "not everything is here yet" + (trouble.empty() ? "" : ": " + trouble));
    sleep_unless_stopped(kLook, {});
  }
}

std::string describe(const protocol::Json& pin, const std::string& where) {
  const auto missing = pin.value("missing_files", 0ull), unlisted = pin.value("unlisted", 0ull);
  std::string line = where + "  " + format_count(pin.value("files", 0ull), "file", "files") + ", " + format_bytes(pin.value("bytes", 0ull));
  if (missing > 0) line += ", not here yet: " + format_count(missing, "file", "files") + ", " + format_bytes(pin.value("missing_bytes", 0ull));
  if (unlisted > 0) line += ", " + format_count(unlisted, "directory", "directories") + " not looked into yet";
  return missing + unlisted == 0 ? line + ", all here" : line;
}

Result<ExitCode> list_pins(const PinArguments& arguments, CommandContext& context) {
  std::vector<RunningMount> mounts;
  if (arguments.path.empty()) mounts = TRY(running_mounts(context.disk, context.paths));
  else mounts.push_back(TRY(find_running_mount(context.disk, context.paths, arguments.path)));
  protocol::Json list = protocol::Json::array();
  for (const RunningMount& mount : mounts) {
    const protocol::Json state = TRY(ask(mount, pins_request(true)));
    for (protocol::Json pin : state.at("pins")) {
      const std::string path = pin.value("path", "");
      pin["path"] = path.empty() ? mount.mount_point : mount.mount_point + "/" + path;
      context.console.say(describe(pin, pin.value("path", "")));
      list.push_back(std::move(pin));
    }
    if (const std::string trouble = state.value("trouble", ""); !trouble.empty())
      context.console.say(mount.mount_point + " waits: " + trouble);
  }
  if (list.empty()) context.console.say("Nothing is pinned.");
  context.console.result(protocol::dump({{"pins", list}}));
  return ExitCode::kOk;
}

}  // namespace

Result<ExitCode> run_command(const PinArguments& arguments, CommandContext& context) {
  if (arguments.list) return list_pins(arguments, context);
  if (arguments.path.empty()) return Error(Code::kInvalidArgument, "PATH is missing: skymoor pin PATH, or skymoor pin --list");
  const PinnedPath pinned = TRY(pinned_path(arguments.path, context));
  TRY(ask(pinned.mount, pin_request(pinned.inode, true)));
  if (arguments.wait) TRY(wait_until_here(pinned.mount, arguments.timeout.value_or(kForever)));
  context.console.say(pinned.path + (arguments.wait ? " is here and stays here." : " is pinned; 'skymoor pin --list' shows how far it is."));
  context.console.result(protocol::dump({{"ok", true}, {"path", pinned.path}}));
  return ExitCode::kOk;
}

Result<ExitCode> run_command(const UnpinArguments& arguments, CommandContext& context) {
  const PinnedPath pinned = TRY(pinned_path(arguments.path, context));
  auto done = ask(pinned.mount, pin_request(pinned.inode, false));
  if (!done.ok() && done.error().code() == Code::kNotFound)
    return Error(Code::kNotFound, pinned.path + " is not pinned itself ('skymoor pin --list' shows what is)");
  if (!done.ok()) return done.error();
  context.console.say(pinned.path + " is not pinned any more; what is here may be evicted.");
  context.console.result(protocol::dump({{"ok", true}, {"path", pinned.path}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
