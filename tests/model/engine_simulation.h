// The whole engine under virtual time: real devices (planner, journal, cache, uploader, downloader) and the real server
// below HTTP (services, SQLite, block segments), on disks that can lose power, over a network that loses messages and
// answers, repeats, delays, reorders, damages and cuts them short, and that is parted from some devices.
//
// After each end of the server: every commit and block that it acknowledged or showed is there, and what `skymoord fsck`
// looks at is in order. At the end: all devices and a fresh one equal the server; every fsynced content is live unless
// somebody who saw it took it away; every version that was ever committed can be had from the history, with its bytes.
//
// Not simulated: HTTP, TLS and logins; the event stream (devices ask when they are stepped); requests at the same time, so
// that commits never share a transaction; full and failing disks; servers put back from backups; of the devices' own SQLite
// the loss of more than the log's unsynced end.
#pragma once
#include <cstdint>
#include <string>

#include "tests/model/simulated_server.h"

namespace skymoor::client::model {

struct SimulationOptions {
  std::uint64_t seed = 0;
  int steps = 160;
  bool tell = false;       ///< every step to standard error
};
struct SimulationOutcome {
  std::string history;     ///< what the devices did and what the server took, in words: equal for equal seeds
  std::string wrong;       ///< empty: all devices and a fresh one equal the server, and nothing is lost
  int commits = 0, conflicts = 0, fsynced = 0;
  int power_cuts = 0, lost = 0, repeated = 0, delayed = 0, overtaken = 0, refused = 0, damaged = 0;
  SimulatedServer::Counts server;

  void add(const SimulationOutcome& other);   ///< the counts
  std::string summary() const;
  int rarest() const;                         ///< count of the fault that happened least
};
/// One schedule in `directory`, which must be empty. One thread drives everything.
SimulationOutcome simulate(const SimulationOptions& options, const std::string& directory);

}  // namespace skymoor::client::model
