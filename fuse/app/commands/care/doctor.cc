#include "fuse/app/commands/commands.h"
#include "fuse/app/doctor/checks.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

const char* word_of(Finding::State state) {
  switch (state) {
    case Finding::State::kOk: return "ok";
    case Finding::State::kWarning: return "warning";
    case Finding::State::kProblem: return "problem";
  }
  return "";
}

}  // namespace

Result<ExitCode> run_command(const DoctorArguments&, CommandContext& context) {
  Findings findings;
  check_fuse_device(findings);
  check_fusermount(findings);
  check_passthrough(findings);
  check_directories(findings, context.disk, context.paths);
  check_mounts(findings, context.disk, context.paths);
  check_server(findings, context.disk, context.clock, context.paths);

  bool healthy = true;
  protocol::Json list = protocol::Json::array();
  for (const Finding& finding : findings) {
    healthy &= finding.state != Finding::State::kProblem;
    list.push_back({{"check", finding.check},
                    {"state", word_of(finding.state)},
                    {"what", finding.what},
                    {"advice", finding.advice}});
    std::string line = std::string(word_of(finding.state)) + "  ";
    line.insert(line.size(), line.size() < 9 ? 9 - line.size() : 0, ' ');
    line += finding.check + ": " + finding.what;
    if (!finding.advice.empty()) line += "\n         -> " + finding.advice;
    context.console.say(line);
  }
  context.console.result(protocol::dump({{"healthy", healthy}, {"checks", list}}));
  return healthy ? ExitCode::kOk : ExitCode::kNeedsAttention;
}

}  // namespace skymoor::client
