#include "fuse/channel/newer_protocol.h"

#include <linux/fuse.h>
#include <sys/uio.h>

#include <cstring>

namespace skymoor::client {
namespace {

// Debian 12's headers are older than some of these.
constexpr std::uint32_t kTmpfile = 51;
constexpr std::uint32_t kHandleKillprivV2 = 1u << 28, kSetxattrExt = 1u << 29;
constexpr std::uint32_t kAclKillSgid = 1u << 0;
constexpr std::size_t kHeader = sizeof(fuse_in_header);

struct ExtendedSetxattr {
  std::uint32_t size, flags, more_flags, padding;
};
constexpr std::size_t kPlainSetxattr = 8;

template <typename T>
T peek(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// By the request itself, not by what INIT agreed on: the process that did may be another. A plain one has the name here,
/// which begins with a letter.
bool is_extended_setxattr(const char* request, std::size_t size) {
  return size >= kHeader + sizeof(ExtendedSetxattr) &&
         peek<ExtendedSetxattr>(request + kHeader).more_flags <= kAclKillSgid;
}

/// Answers the request's new size.
std::size_t shorten_setxattr(char* request, std::size_t size, fuse_in_header header) {
  auto in = peek<ExtendedSetxattr>(request + kHeader);
  in.flags = (in.flags & ~static_cast<std::uint32_t>(kSetxattrKillSgid)) |
             ((in.more_flags & kAclKillSgid) != 0 ? static_cast<std::uint32_t>(kSetxattrKillSgid) : 0);
  std::memcpy(request + kHeader, &in, kPlainSetxattr);
  const std::size_t rest = kHeader + sizeof in, gone = sizeof in - kPlainSetxattr;
  std::memmove(request + rest - gone, request + rest, size - rest);
  header.len = static_cast<std::uint32_t>(size - gone);
  std::memcpy(request, &header, sizeof header);
  return size - gone;
}

}  // namespace

void NewerProtocol::note_init(const char* body, std::size_t size, std::uint64_t unique) {
  if (size < 4 * sizeof(std::uint32_t)) return;
  const auto offered = peek<std::uint32_t>(body + 3 * sizeof(std::uint32_t));   // behind major, minor, max_readahead
  taken_ = offered & (kHandleKillprivV2 | kSetxattrExt);
  init_unique_ = unique;
}

ssize_t NewerProtocol::translate(void* request, ssize_t size) {
  if (size < static_cast<ssize_t>(kHeader)) return size;
  auto* bytes = static_cast<char*>(request);
  const auto length = static_cast<std::size_t>(size);
  auto header = peek<fuse_in_header>(bytes);
  if (header.opcode == kTmpfile && length >= kHeader + sizeof(fuse_create_in) + 2) {
    // Should another kernel send another name: left as it is, libfuse answers ENOSYS, and programs fall back.
    if (std::string_view(bytes + kHeader + sizeof(fuse_create_in)) != kNoName) return size;
    header.opcode = FUSE_CREATE;
    std::memcpy(bytes, &header, sizeof header);
  } else if (header.opcode == FUSE_SETXATTR && is_extended_setxattr(bytes, length)) {
    return static_cast<ssize_t>(shorten_setxattr(bytes, length, header));
  } else if (header.opcode == FUSE_INIT) {
    note_init(bytes + kHeader, length - kHeader, header.unique);
  }
  return size;
}

void NewerProtocol::complete(const iovec* iov, int count) {
  const std::uint64_t unique = init_unique_.load(std::memory_order_relaxed);
  if (unique == 0) [[likely]] return;
  if (count < 2 || iov[0].iov_len < sizeof(fuse_out_header) || iov[1].iov_len < 4 * sizeof(std::uint32_t)) return;
  const auto header = peek<fuse_out_header>(static_cast<char*>(iov[0].iov_base));
  if (header.unique != unique || header.error != 0) return;
  char* flags = static_cast<char*>(iov[1].iov_base) + 3 * sizeof(std::uint32_t);
  const std::uint32_t answer = peek<std::uint32_t>(flags) | taken_.load();
  std::memcpy(flags, &answer, sizeof answer);
  init_unique_ = 0;
}

}  // namespace skymoor::client
