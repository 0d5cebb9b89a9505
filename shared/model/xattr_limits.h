// How many extended attributes an inode can have: they travel together, in one message.
#pragma once
#include <cstddef>

namespace skymoor {

/// What one device lets its users set.
inline constexpr std::size_t kMaxXattrs = 2048;
inline constexpr std::size_t kMaxXattrsBytes = 2u << 20;     ///< values together, when one larger than kSmallXattrBytes is set
inline constexpr std::size_t kSmallXattrBytes = 1024;        ///< bounded by their number
/// What the server keeps and a listing carries: devices that do not know of each other's may each have set as many.
inline constexpr std::size_t kMaxStoredXattrs = 2 * kMaxXattrs;
inline constexpr std::size_t kMaxStoredXattrsBytes = 12u << 20;   ///< sealed, together: they fit an answer

}  // namespace skymoor
