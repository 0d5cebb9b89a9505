// The server's settings, declared once: command line, TOML file, sample file and help come from the table.
#pragma once
#include "backend-server/app/running_server.h"
#include "shared/base/settings.h"

namespace skymoor::server {

std::span<const Setting> server_settings_table();

/// /var/lib/skymoord for root, else $XDG_DATA_HOME/skymoord or ~/.local/share/skymoord.
std::string default_data_directory();
/// The setting "data", or the default.
std::string data_directory_of(const Settings& settings);

/// Errors: InvalidArgument, naming the setting.
Result<ServerConfig> server_config_of(const Settings& settings);

}  // namespace skymoor::server
