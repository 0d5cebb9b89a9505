// Console: what a command says and asks.
#pragma once
#include <string>
#include <string_view>

#include "shared/base/error.h"
#include "shared/crypto/secret.h"

namespace skymoor::client {

/// Results go to standard output, everything else to standard error, so that scripts can use pipes. With --json standard
/// output carries exactly one JSON document (a line each with --watch). Not thread-safe.
class Console {
 public:
  explicit Console(bool json) : json_(json) {}
  bool json() const { return json_; }
  /// A line for people; nothing with --json.
  void say(std::string_view line);
  /// The JSON result; nothing without --json.
  void result(const std::string& json_text);
  /// A remark on standard error.
  void note(std::string_view line);
  /// "skymoor: why"; with --json also {"ok":false,"code":...,"message":...} as the result.
  void failure(const Error& error);

  /// Somebody is there to answer.
  bool interactive() const;
  bool output_is_terminal() const;
  /// Errors: InvalidArgument when nobody is there, `instead` saying which option to give.
  Result<std::string> ask(std::string_view question, std::string_view instead);
  /// Without echo. Errors: as ask.
  Result<crypto::SecretBytes> ask_secret(std::string_view question, std::string_view instead);

 private:
  const bool json_;
};

}  // namespace skymoor::client
