#include "backend-server/app/settings_source.h"

#include "backend-server/app/server_settings.h"

namespace skymoor::server {

Result<Settings> read_settings(const GivenSettings& given) {
  Settings settings(server_settings_table());
  if (!given.config_file.empty())
    if (Status loaded = settings.load_toml(given.config_file); !loaded.ok()) {
      if (loaded.error().code() == Code::kInvalidArgument) return std::move(loaded).error();
      return Error(Code::kInvalidArgument, "--config: " + loaded.error().message());
    }
  for (const auto& [name, value] : given.values) {
    Status set = settings.set(name, value);
    if (!set.ok()) return Error(set.error().code(), "--" + set.error().message());
  }
  return settings;
}

}  // namespace skymoor::server
