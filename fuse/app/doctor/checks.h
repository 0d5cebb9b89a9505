// What `skymoor doctor` looks at. Each check answers with findings; none changes anything.
#pragma once
#include <vector>

#include "fuse/app/account/server_connection.h"

namespace skymoor::client {

struct Finding {
  enum class State { kOk, kWarning, kProblem };
  std::string check;    ///< "fuse", "server", ...: stable names for scripts
  State state = State::kOk;
  std::string what;
  std::string advice;   ///< empty when there is nothing to do
};
using Findings = std::vector<Finding>;

void check_fuse_device(Findings& out);
void check_fusermount(Findings& out);
void check_passthrough(Findings& out);
void check_directories(Findings& out, Disk& disk, const StatePaths& paths);
void check_mounts(Findings& out, Disk& disk, const StatePaths& paths);
/// Account, certificate, server, clock and session. Blocks: on the network, seconds at most.
void check_server(Findings& out, Disk& disk, const Clock& clock, const StatePaths& paths);

}  // namespace skymoor::client
