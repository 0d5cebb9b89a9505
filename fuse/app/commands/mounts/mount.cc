#include <fcntl.h>
#include <sys/resource.h>

#include <filesystem>

#include "fuse/app/commands/commands.h"
#include "fuse/app/host/background.h"
#include "fuse/app/host/mount_table.h"
#include "fuse/app/mount/mount_session.h"
#include "fuse/app/host/passthrough_support.h"
#include "fuse/app/host/stop_signals.h"
#include "fuse/app/host/supervisor.h"
#include "fuse/app/state/cache_notice.h"
#include "fuse/channel/channel.h"
#include "shared/base/fd.h"
#include "shared/base/log.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

/// Backing files stay open: as many as the system lets us. The kernel's table of them grows by doubling, and once there are
/// threads whoever opens a file then waits until every processor has been at rest: 10 to 100 ms where others compute. So it is
/// made large while there are none. Source: expand_fdtable in fs/file.c.
void raise_file_limit() {
  constexpr rlim_t kAtOnce = 16384;
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 1u << 20);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const UniqueFd any(::open("/", O_PATH | O_CLOEXEC));
  UniqueFd last(::fcntl(any.get(), F_DUPFD_CLOEXEC, static_cast<int>(std::min(kAtOnce, limit.rlim_cur)) - 1));
}

/// Everything of a mount's life, in the process that serves it; ends when it is unmounted, or handed over. The exit code.
Result<int> serve(const MountSession::Options& options, const std::function<Status()>& on_ready) {
  std::stop_source stop;
  raise_file_limit();
  StopSignals signals(stop);  // before any other thread: they inherit the blocked signals
  auto session = TRY(MountSession::open(options, stop));
  std::atomic<bool> was_ready{false};
  TRY(session->run([&] {
    was_ready = true;
    return on_ready();
  }));
  if (!was_ready && !stop.stop_requested()) return Error(Code::kIo, "the mount ended before it was ready; " + options.paths.log_file() + " may tell why");
  return session->handed_over() ? kHandedOverExit : static_cast<int>(ExitCode::kOk);
}

/// The command line of another program for the same mount, wherever it is started.
std::vector<std::string> words_for(const MountArguments& arguments, const MountSession::Options& options) {
  std::vector<std::string> words = {"mount", options.volume, options.directory};
  if (arguments.foreground) words.push_back("-f");
  for (const std::string& option : arguments.options) words.insert(words.end(), {"-o", option});
  words.insert(words.end(), {"-o", "state-dir=" + escape_commas(options.paths.state)});
  words.insert(words.end(), {"-o", "cache-dir=" + escape_commas(options.paths.cache)});
  return words;
}

/// With takeover=on: splits into supervisor and worker. Nothing: this is the worker, and goes on; else the exit code.
Result<std::optional<int>> split(const MountArguments& arguments, MountSession::Options& options, const LogOptions& log,
                                 StartReport* report) {
  const bool for_worker = is_for_worker(arguments.take_over);
  if (for_worker) {
    options.worker = std::make_shared<WorkerPart>(TRY(inherited_worker(arguments.take_over)));
    return std::optional<int>();
  }
  if (options.mount.settings.text("takeover") == "off" || !takeover_support()) return std::optional<int>();
  if (arguments.take_over.empty()) {
    // Where it will be, found out while nothing is mounted there.
    std::error_code failed;
    const auto target = std::filesystem::canonical(options.directory, failed);
    options.directory = failed ? absolute_mount_point(options.directory) : target.string();
  }
  SupervisorOptions supervisor;
  supervisor.mount_point = options.directory;
  supervisor.words = words_for(arguments, options);
  supervisor.prepare_log = [log] { (void)configure_log(log); };
  if (report) supervisor.after_fork = [report] { report->leave(); };
  supervisor.inherited = arguments.take_over;
  Supervised part = TRY(supervise(std::move(supervisor)));
  if (!part.worker) return std::optional<int>(part.exit_code);
  options.worker = std::make_shared<WorkerPart>(std::move(*part.worker));
  return std::optional<int>();
}

/// The same for a parent that waits for the start.
int serve_in_background(const MountArguments& arguments, MountSession::Options options, const LogOptions& log,
                        StartReport& report) {
  const auto over = split(arguments, options, log, &report);
  if (over.ok() && *over) return **over;
  Status done = over.ok() ? configure_log(log) : Status(over.error());
  bool ready = false;
  if (done.ok()) {
    auto code = serve(options, [&] {
      ready = true;
      return report.ready();
    });
    if (code.ok()) return *code;
    done = code.error();
  }
  if (ready || options.worker_takes_over()) log_error("mount.failed", {{"why", done.error()}});
  report.failed(done.error());
  return static_cast<int>(exit_code_of(done.error().code()));
}

/// A disk that is too full, or too small, for any write; empty: it is not.
std::string space_notice(Disk& disk, const MountSession::Options& options) {
  const auto reserve = static_cast<std::uint64_t>(options.mount.settings.number("reserve"));
  const auto free = disk.free_bytes(options.paths.state);
  if (!free.ok() || *free > reserve) return {};
  return "writes are refused once there is no cached file left to make room: " + options.paths.state + " has " + format_bytes(*free) +
         " free, and they leave " + format_bytes(reserve) + "; free some space, or mount with a smaller -o reserve=SIZE";
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
  MountSession::Options options = TRY(resolve(arguments, context));
  LogOptions log;
  log.level = options.mount.settings.text("log-level");
  if (!arguments.foreground) log.file = options.paths.log_file();
  if (!arguments.take_over.empty()) {
    StartReport nobody;
    std::exit(serve_in_background(arguments, std::move(options), log, nobody));
  }
  if (arguments.foreground) {
    context.console.note("Mounting '" + options.volume + "' on " + options.directory + "; Ctrl-C unmounts.");
    if (const auto over = TRY(split(arguments, options, log, nullptr))) std::exit(*over);
    TRY(configure_log(log));
    if (const int code = TRY(serve(options, [] { return Status(); })); code != 0) std::exit(code);
    return ExitCode::kOk;
  }
  // An account is needed before there is anything to log about; no directory is made for somebody who has none.
  TRY(load_account(context.disk, options.paths.account_file()));
  TRY(make_private_directory(context.disk, options.paths.log_directory()));
  TRY(run_in_background(log.file,
                        [&](StartReport& report) { return serve_in_background(arguments, options, log, report); }));
  if (const std::string notice = cache_notice(options.paths); !options.mount.settings.text("cache-dir").empty() && !notice.empty())
    context.console.note("Note: " + notice + ".");
  if (const std::string notice = space_notice(context.disk, options); !notice.empty()) context.console.note("Note: " + notice + ".");
  context.console.result(protocol::dump({{"ok", true}, {"volume", options.volume}, {"mount_point", options.directory}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
