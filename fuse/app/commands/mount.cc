#include <filesystem>
#include <sys/resource.h>

#include "fuse/app/commands/commands.h"
#include "fuse/app/host/background.h"
#include "fuse/app/mount/mount_session.h"
#include "fuse/app/host/stop_signals.h"
#include "shared/base/log.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

/// Backing files stay open: as many as the system lets us.
void raise_file_limit() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 1u << 20);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Everything of a mount's life, in the process that serves it; ends when it is unmounted.
Status serve(const MountSession::Options& options, const std::function<Status()>& on_ready) {
  std::stop_source stop;
  StopSignals signals(stop);  // before any other thread: they inherit the blocked signals
  raise_file_limit();
  auto session = TRY(MountSession::open(options, stop));
  std::atomic<bool> was_ready{false};
  TRY(session->run([&] {
    was_ready = true;
    return on_ready();
  }));
  if (!was_ready && !stop.stop_requested()) return Error(Code::kIo, "the mount ended before it was ready; " + options.paths.log_file() + " may tell why");
  return {};
}

/// The same for a parent that waits for the start.
int serve_in_background(const MountSession::Options& options, const LogOptions& log, StartReport& report) {
  Status done = configure_log(log);
  bool ready = false;
  if (done.ok())
    done = serve(options, [&] {
      ready = true;
      return report.ready();
    });
  if (done.ok()) return static_cast<int>(ExitCode::kOk);
  if (ready) log_error("mount.failed", {{"why", done.error()}});
  report.failed(done.error());
  return static_cast<int>(exit_code_of(done.error().code()));
}

Result<MountSession::Options> resolve(const MountArguments& arguments, CommandContext& context) {
  MountSession::Options options;
  if (arguments.volume.empty() || arguments.directory.empty())
    return Error(Code::kInvalidArgument, "VOLUME or DIR is empty: skymoor mount VOLUME DIR");
  options.mount = TRY(parse_mount_options(arguments.options));
  const Settings& settings = options.mount.settings;
  const std::string& state = settings.text("state-dir");
  options.paths = TRY(StatePaths::resolve(state.empty() ? context.paths.state : state, settings.text("cache-dir"),
                                          process_environment()));
  options.volume = arguments.volume;
  std::error_code failed;
  options.directory = std::filesystem::absolute(arguments.directory, failed).string();
  return options;
}

}  // namespace

Result<ExitCode> run_command(const MountArguments& arguments, CommandContext& context) {
  const MountSession::Options options = TRY(resolve(arguments, context));
  LogOptions log;
  log.level = options.mount.settings.text("log-level");
  if (arguments.foreground) {
    TRY(configure_log(log));
    context.console.note("Mounting '" + options.volume + "' on " + options.directory + "; Ctrl-C unmounts.");
    TRY(serve(options, [] { return Status(); }));
    return ExitCode::kOk;
  }
  // An account is needed before there is anything to log about; no directory is made for somebody who has none.
  TRY(load_account(context.disk, options.paths.account_file()));
  TRY(make_private_directory(context.disk, options.paths.log_directory()));
  log.file = options.paths.log_file();
  TRY(run_in_background(log.file, [&](StartReport& report) { return serve_in_background(options, log, report); }));
  context.console.result(protocol::dump({{"ok", true}, {"volume", options.volume}, {"mount_point", options.directory}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
