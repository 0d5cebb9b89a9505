// Where settings come from.
#pragma once
#include "backend-server/app/commands.h"
#include "shared/base/settings.h"

namespace skymoor::server {

/// Defaults, then the file, then the single values. Errors: NotFound (file), InvalidArgument naming file, line,
/// setting.
Result<Settings> read_settings(const GivenSettings& given);

}  // namespace skymoor::server
