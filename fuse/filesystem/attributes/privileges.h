// What a change of content or owner takes away.
#pragma once
#include <cstdint>

namespace skymoor::client {

/// `mode` without setuid, and without setgid where that is a privilege. Source: man 2 chown, man 2 write; setgid
/// without group execute asks for mandatory locks, or nothing.
std::uint32_t mode_without_privileges(std::uint32_t mode);

}  // namespace skymoor::client
