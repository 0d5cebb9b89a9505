// Which extended attributes there are.
#pragma once
#include <string_view>

#include "shared/base/error.h"

namespace skymoor::client {

/// Answered by the fetcher, stored nowhere, shown in no list (copying tools would try to set it).
inline constexpr std::string_view kStateXattr = "user.skymoor.state";

/// Errors: NotSupported (no known namespace), RangeTooSmall (longer than 255 bytes), InvalidArgument (empty).
/// Source: man 7 xattr.
Status check_xattr_name(std::string_view name);

}  // namespace skymoor::client
