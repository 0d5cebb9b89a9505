#include "fuse/app/host/passthrough_support.h"

#include <sys/utsname.h>

#include <cstdint>
#include <cstdio>
#include <fstream>

namespace skymoor::client {
namespace {

constexpr int kCapSysAdmin = 21;

bool has_capability(int capability) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("CapEff:"))
      return (std::stoull(line.substr(7), nullptr, 16) >> capability & 1) != 0;
  return false;
}

/// Empty: new enough.
std::string kernel_older_than_6_9() {
  utsname kernel = {};
  int major = 0, minor = 0;
  if (::uname(&kernel) != 0 || std::sscanf(kernel.release, "%d.%d", &major, &minor) != 2)
    return "the kernel's version is unknown";
  if (major < 6 || (major == 6 && minor < 9)) return std::string("kernel ") + kernel.release + " is older than 6.9";
  return {};
}

}  // namespace

PassthroughSupport passthrough_support() {
  if (std::string older = kernel_older_than_6_9(); !older.empty()) return {false, std::move(older)};
  if (!has_capability(kCapSysAdmin)) return {false, "only root (CAP_SYS_ADMIN) may use it"};
  return {true, {}};
}

bool takeover_support() { return kernel_older_than_6_9().empty(); }

}  // namespace skymoor::client
