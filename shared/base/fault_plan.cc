#include "shared/base/fault_plan.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>

namespace skymoor {
namespace {

constexpr std::pair<std::string_view, int> kErrors[] = {
    {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EMFILE", EMFILE}};
constexpr std::size_t kMaxReportBytes = 1u << 20;

Error malformed(std::string_view text, const char* what) {
  return Error(Code::kInvalidArgument, "fault plan '" + std::string(text) + "': " + what);
}

bool read_action(std::string_view word, FaultPlan& plan) {
  if (word == "kill") plan.action = FaultPlan::Action::kKill;
  if (word == "tear") plan.action = FaultPlan::Action::kTear;
  if (word == "hang") plan.action = FaultPlan::Action::kHang;
  if (word == "seen") plan.action = FaultPlan::Action::kSeen;
  if (word == "kill" || word == "tear" || word == "hang" || word == "seen") return true;
  for (const auto& [name, error] : kErrors)
    if (word == name) plan.error = error;
  return plan.error != 0;
}

/// What is left of `text` up to the next colon; takes both away.
std::string_view next_field(std::string_view& text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string_view field = text.substr(0, colon);
  text.remove_prefix(std::min(colon + 1, text.size()));
  return field;
}

/// A plan in progress; shared by the copies of its hook.
class Execution {
 public:
  Execution(FaultPlan plan, std::string report) : plan_(std::move(plan)), report_(std::move(report)) {}

  int step(const FaultPoint& point) {
    if (!matches(point)) return 0;
    if (plan_.action == FaultPlan::Action::kSeen) return see(point);
    const std::uint64_t number = ++steps_;
    if (plan_.onwards ? number < plan_.count : number != plan_.count) return 0;
    if (!tell("fired " + std::string(point.name) + " " + std::string(point.detail))) return 0;
    if (plan_.action == FaultPlan::Action::kFail) return plan_.error;
    if (plan_.action == FaultPlan::Action::kHang) {
      std::this_thread::sleep_for(std::chrono::seconds(kHangSeconds));
      return 0;
    }
    if (plan_.action == FaultPlan::Action::kTear && point.name == "file.write") return kTornWrite;
    ::kill(::getpid(), SIGKILL);
    return EIO;
  }

 private:
  bool matches(const FaultPoint& point) const {
    const std::string_view wanted = plan_.point;
    const bool named = wanted.ends_with('*') ? point.name.starts_with(wanted.substr(0, wanted.size() - 1))
                                             : point.name == wanted;
    return named && (plan_.path.empty() || point.detail.find(plan_.path) != std::string_view::npos);
  }

  int see(const FaultPoint& point) {
    std::lock_guard lock(seen_mutex_);
    if (seen_.emplace(point.name).second) (void)tell("seen " + std::string(point.name));
    return 0;
  }

  bool tell(const std::string& line) const {
    UniqueFd fd(::open(report_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
    const std::string whole = line + "\n";
    return fd && ::write(fd.get(), whole.data(), whole.size()) == static_cast<ssize_t>(whole.size());
  }

  const FaultPlan plan_;
  const std::string report_;
  std::atomic<std::uint64_t> steps_{0};
  std::mutex seen_mutex_;  // a leaf of tests only: no rank
  std::set<std::string, std::less<>> seen_;
};

bool has_fired(const std::string& report) {
  PosixDisk disk;
  auto text = read_file(disk, report, kMaxReportBytes);
  return text.ok() && as_text(*text).find("fired ") != std::string_view::npos;
}

}  // namespace

Result<FaultPlan> parse_fault_plan(std::string_view text) {
  FaultPlan plan;
  std::string_view rest = text;
  if (!read_action(next_field(rest), plan)) return malformed(text, "no such action");
  plan.point = next_field(rest);
  if (plan.point.empty()) return malformed(text, "no point");
  std::string_view count = next_field(rest);
  plan.onwards = count.ends_with('+');
  if (plan.onwards) count.remove_suffix(1);
  auto [end, failure] = std::from_chars(count.data(), count.data() + count.size(), plan.count);
  if (failure != std::errc() || end != count.data() + count.size() || plan.count == 0)
    return malformed(text, "the count is not a number from 1");
  plan.path = rest;
  return plan;
}

FaultHook fault_hook(FaultPlan plan, std::string report) {
  if (has_fired(report)) return nullptr;
  auto execution = std::make_shared<Execution>(std::move(plan), std::move(report));
  return [execution](const FaultPoint& point) { return execution->step(point); };
}

FaultHook fault_hook_from_environment() {
  const char* text = ::secure_getenv("SKYMOOR_FAULT");
  const char* report = ::secure_getenv("SKYMOOR_FAULT_REPORT");
  if (!text || !report) return nullptr;
  auto plan = parse_fault_plan(text);
  if (plan.ok()) return fault_hook(std::move(*plan), report);
  std::fprintf(stderr, "SKYMOOR_FAULT: %s\n", plan.error().message().c_str());
  std::_Exit(2);
}

}  // namespace skymoor
