// Starting a mount in the background: the parent returns when the child serves, or with the child's error.
#pragma once
#include <functional>
#include <string>

#include "shared/base/error.h"
#include "shared/base/fd.h"

namespace skymoor::client {

/// The child's way to tell its parent how the start went. In the foreground there is no parent, and telling does nothing.
class StartReport {
 public:
  StartReport() = default;
  explicit StartReport(UniqueFd pipe) : pipe_(std::move(pipe)) {}
  /// It serves. Errors: Cancelled (the parent has gone: nobody wants the mount any more).
  Status ready();
  void failed(const Error& error);
  /// Another process tells.
  void leave() { pipe_.reset(); }

 private:
  Status send(const Status& outcome);
  UniqueFd pipe_;
};

/// Forks twice, so that the child belongs to nobody's terminal, and runs `body` there with standard input and output on
/// /dev/null and standard error appended to `log_file` (0600); the child ends with what `body` returns. In the parent:
/// waits for the report. Must be called while the process has one thread.
/// Errors: what the child reported; Internal (it ended without a word).
Status run_in_background(const std::string& log_file, const std::function<int(StartReport&)>& body);

}  // namespace skymoor::client
