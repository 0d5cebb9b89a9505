// Structured log: a stable dotted event name and typed fields. Never pass a secret.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "shared/base/error.h"

namespace skymoor {

/// One field; numbers and booleans stay bare, text is quoted where it must be.
struct LogField {
  std::string_view key;
  std::string value;
  bool quoted = false;
  LogField(std::string_view k, std::string_view v) : key(k), value(v), quoted(true) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v), quoted(true) {}
  LogField(std::string_view k, const char* v) : key(k), value(v), quoted(true) {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  LogField(std::string_view k, const Error& v) noexcept;   ///< where there is no memory, that is what it says
  template <typename N>
    requires std::is_arithmetic_v<N> && (!std::is_same_v<N, bool>)
  LogField(std::string_view k, N v) : key(k), value(std::to_string(v)) {}
};
using LogFields = std::initializer_list<LogField>;

/// error: data or service at risk. warn: degraded. info: life cycle. debug: per operation.
void log_error(std::string_view event, LogFields fields = {});
void log_warn(std::string_view event, LogFields fields = {});
void log_info(std::string_view event, LogFields fields = {});
void log_debug(std::string_view event, LogFields fields = {});
bool log_debug_enabled();

struct LogOptions {
  std::string level = "info";   ///< error, warn, info, debug
  std::string file;             ///< empty: standard error; else appended to, rotated at `max_file_bytes`
  bool json = false;            ///< one JSON object a line instead of event key=value ...
  std::size_t max_file_bytes = 16u << 20;
};
/// Sets where the process logs. Errors: InvalidArgument (level), Io (file).
Status configure_log(const LogOptions& options);

}  // namespace skymoor
