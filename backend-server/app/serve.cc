// `skymoord serve`
#include <sys/stat.h>

#include "backend-server/app/commands.h"
#include "backend-server/app/server_settings.h"
#include "backend-server/app/service_manager.h"
#include "backend-server/app/settings_source.h"
#include "backend-server/app/signals.h"
#include "shared/base/file.h"
#include "shared/base/log.h"

namespace skymoor::server {
namespace {

constexpr std::chrono::seconds kGrace{10};

Status configure_logging(const Settings& settings) {
  LogOptions log;
  log.level = settings.text("log-level");
  log.file = settings.text("log-file");
  log.json = settings.flag("log-json");
  return configure_log(log);
}

Status write_port(const std::string& path, std::uint16_t port) {
  PosixDisk disk;
  return write_file_durably(disk, path, as_bytes(std::to_string(port) + "\n"), 0644);
}

Status serve(const ServeArguments& arguments) {
  StopSignals signals;
  Settings settings = TRY(read_settings(arguments.settings));
  TRY(configure_logging(settings));
  ServerConfig config = TRY(server_config_of(settings));
  auto server = TRY(RunningServer::open(std::move(config)));
  if (!arguments.port_file.empty()) TRY(write_port(arguments.port_file, server->port()));
  notify_service_manager("READY=1");
  int signal = signals.wait();
  log_info("server.stopping", {{"signal", signal}});
  notify_service_manager("STOPPING=1");
  signals.force_on_next();
  server->stop(kGrace);
  return {};
}

}  // namespace

ExitCode run_serve(const ServeArguments& arguments) {
  ::umask(0077);
  Status done = serve(arguments);
  return done.ok() ? ExitCode::kOk : report(done.error());
}

}  // namespace skymoor::server
