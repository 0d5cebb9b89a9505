// Refuses passwords that a guesser tries first. The server never sees the password, so only the client can check it.
#pragma once
#include <string_view>

#include "shared/base/error.h"

namespace skymoor::client {

inline constexpr std::size_t kMinPasswordBytes = 10;
inline constexpr std::size_t kMaxPasswordBytes = 1024;

/// Errors: InvalidArgument, saying what is missing. `allow_weak` leaves only the limits on length (1 to 1024 bytes).
Status check_password(std::string_view password, std::string_view user_name, bool allow_weak);

}  // namespace skymoor::client
