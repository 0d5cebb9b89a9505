#include <ctime>

#include "fuse/app/history/volume_history.h"
#include "shared/base/settings.h"

namespace skymoor::client {

Result<Timestamp> parse_point_in_time(const std::string& text, Timestamp now) {
  std::tm parts = {};
  auto parsed = [&](const char* format) {
    parts = {};
    parts.tm_isdst = -1;
    const char* end = ::strptime(text.c_str(), format, &parts);
    return end && *end == '\0';
  };
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ"})
    if (parsed(format)) return Timestamp{std::chrono::seconds(::timegm(&parts))};
  for (const char* format : {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"})
    if (parsed(format)) return Timestamp{std::chrono::seconds(::mktime(&parts))};
  auto age = parse_duration_ms(text);
  if (age.ok()) return now - std::chrono::milliseconds(*age);
  return Error(Code::kInvalidArgument, "'" + text + "' is no time: 2026-03-01T12:00:00Z, '2026-03-01 12:00' (local), or an age like 2h");
}

}  // namespace skymoor::client
