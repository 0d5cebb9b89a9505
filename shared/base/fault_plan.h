// FaultPlan: one failure ordered from outside, so that tests can break whole processes at a chosen step.
#pragma once
#include <string>

#include "shared/base/file.h"

namespace skymoor {

/// "ACTION:POINT:COUNT[:PATH]", for example "kill:journal.checkpoint:3", "EIO:file.sync:1+:/log-", "tear:file.write:7",
/// "seen:*:1".
///  - ACTION: kill (SIGKILL to the process before the step), tear (a write: its first half, then SIGKILL), EIO, ENOSPC,
///    EDQUOT or EMFILE (the step fails with it, and is not done), hang (the step is done kHangSeconds late), or seen
///    (nothing fails; each point is reported once).
///  - POINT: a point's name; one that ends in * stands for all that begin so.
///  - COUNT: which of the steps that match, from 1; with + behind it that one and every later one.
///  - PATH: only steps whose path contains this.
struct FaultPlan {
  enum class Action : std::uint8_t { kKill, kTear, kFail, kHang, kSeen };
  Action action = Action::kFail;
  int error = 0;             ///< kFail: the errno
  std::string point, path;
  std::uint64_t count = 1;
  bool onwards = false;
};
inline constexpr int kHangSeconds = 20;
/// Errors: InvalidArgument, naming what is wrong.
Result<FaultPlan> parse_fault_plan(std::string_view text);

/// What the hook of a plan answers for a torn write; only File::write_at knows it.
inline constexpr int kTornWrite = -1;

/// The hook that carries out a plan. Thread-safe. Appends "fired POINT PATH" (or "seen POINT") to the file `report`
/// before it acts; nothing fails unless that worked. A report that says "fired" already (from an earlier process) makes
/// the plan void: it is carried out once, also where a supervisor starts the process anew.
FaultHook fault_hook(FaultPlan plan, std::string report);

/// The plan in SKYMOOR_FAULT with its report in SKYMOOR_FAULT_REPORT; no hook (nullptr) when either is unset, and in a
/// process that runs with privileges its caller does not have. A plan that cannot be read ends the process, saying so.
FaultHook fault_hook_from_environment();

}  // namespace skymoor
