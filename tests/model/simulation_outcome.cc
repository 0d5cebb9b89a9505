#include <algorithm>
#include <utility>
#include <vector>

#include "tests/model/engine_simulation.h"

namespace skymoor::client::model {
namespace {

/// Each count with its name, of one outcome or of two beside each other.
template <typename Outcome>
std::vector<std::pair<const char*, decltype(&std::declval<Outcome&>().lost)>> counts_of(Outcome& o) {
  return {{"commits", &o.commits},
          {"contents fsynced", &o.fsynced},
          {"conflict names", &o.conflicts},
          {"power cuts of devices", &o.power_cuts},
          {"messages lost", &o.lost},
          {"repeated", &o.repeated},
          {"delayed", &o.delayed},
          {"overtaken", &o.overtaken},
          {"commits refused", &o.refused},
          {"damaged", &o.damaged},
          {"servers killed", &o.server.kills},
          {"without power", &o.server.power_cuts},
          {"of them within a request", &o.server.within_requests},
          {"while opening", &o.server.within_openings},
          {"orderly ends", &o.server.restarts}};
}

}  // namespace

void SimulationOutcome::add(const SimulationOutcome& other) {
  const auto more = counts_of(other);
  for (std::size_t i = 0; const auto& [name, count] : counts_of(*this)) *count += *more[i++].second;
}

std::string SimulationOutcome::summary() const {
  std::string text;
  for (const auto& [name, count] : counts_of(*this))
    text += (text.empty() ? "" : ", ") + std::to_string(*count) + " " + name;
  return text;
}

int SimulationOutcome::rarest() const {
  int least = commits;
  for (const auto& [name, count] : counts_of(*this)) least = std::min(least, *count);
  return least;
}

}  // namespace skymoor::client::model
