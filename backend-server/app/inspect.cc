// `skymoord fingerprint`, `skymoord config` and `skymoord version`
#include <cstdio>

#include <nlohmann/json.hpp>

#include "backend-server/app/commands.h"
#include "backend-server/app/identity.h"
#include "backend-server/app/server_settings.h"
#include "backend-server/app/settings_source.h"
#include "skymoor_version.h"

namespace skymoor::server {

ExitCode run_fingerprint(const FingerprintArguments& arguments) {
  auto settings = read_settings(arguments.settings);
  if (!settings.ok()) return report(settings.error());
  PosixDisk disk;
  auto fingerprint = read_fingerprint(disk, data_directory_of(*settings));
  if (!fingerprint.ok()) return report(fingerprint.error());
  std::string line = arguments.json ? nlohmann::json{{"fingerprint", *fingerprint}}.dump() : *fingerprint;
  std::printf("%s\n", line.c_str());
  return ExitCode::kOk;
}

ExitCode run_config() {
  std::printf("# Settings of skymoord, each at its default. Use: skymoord serve --config FILE\n\n%s",
              Settings(server_settings_table()).sample_toml().c_str());
  return ExitCode::kOk;
}

ExitCode run_version(const VersionArguments& arguments) {
  std::puts(arguments.json ? nlohmann::json{{"version", SKYMOOR_VERSION}}.dump().c_str() : "skymoord " SKYMOOR_VERSION);
  return ExitCode::kOk;
}

}  // namespace skymoor::server
