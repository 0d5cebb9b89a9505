#include "fuse/sync/plan/conflict_name.h"

#include <algorithm>
#include <cstdio>

#include "shared/model/attributes.h"

namespace skymoor::client {
namespace {

constexpr std::string_view kOpening = " (conflict ";
constexpr std::size_t kMaxExtensionBytes = 32;
constexpr std::size_t kMaxDeviceBytes = 64;

/// Longest prefix of at most `limit` bytes that does not cut a character in two.
std::string_view cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  // A character has at most three continuation bytes; more are not UTF-8 and may be cut anywhere.
  for (int back = 0; back < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80; ++back) --end;
  if (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) end = limit;
  return text.substr(0, end);
}

struct Parts {
  std::string_view stem, extension;  ///< the extension with its dot
};

Parts split(std::string_view name, bool directory) {
  const auto dot = name.rfind('.');
  if (directory || dot == std::string_view::npos || dot == 0 || dot + 1 == name.size()) return {name, {}};
  if (name.size() - dot > kMaxExtensionBytes || name.find_first_of(" ()", dot) != std::string_view::npos)
    return {name, {}};
  return {name.substr(0, dot), name.substr(dot)};
}

/// The stem without a suffix that it ends with; all of it when there is none.
std::string_view without_suffix(std::string_view stem) {
  if (stem.empty() || stem.back() != ')') return stem;
  const auto at = stem.rfind(kOpening);
  return at == std::string_view::npos || at == 0 ? stem : stem.substr(0, at);
}

std::string date_of(Timestamp time) {
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text;
}

std::string suffix_of(const ConflictTag& tag) {
  std::string device(cut(tag.device, kMaxDeviceBytes));
  for (char& c : device)
    if (c == '/' || c == '(' || c == ')' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '_';
  if (device.empty()) device = "device";
  char id[48];
  std::snprintf(id, sizeof id, "%x-%llx", tag.op.writer.value, static_cast<unsigned long long>(tag.op.counter));
  std::string suffix = std::string(kOpening) + device + " " + date_of(tag.time) + " " + id;
  if (tag.attempt > 0) suffix += "-" + std::to_string(tag.attempt);
  return suffix + ")";
}

}  // namespace

std::string conflict_name(std::string_view name, bool directory, const ConflictTag& tag) {
  const Parts parts = split(name, directory);
  const std::string suffix = suffix_of(tag);
  const std::size_t rest = suffix.size() + parts.extension.size();
  const std::string_view stem = cut(without_suffix(parts.stem), kMaxNameBytes - std::min(kMaxNameBytes, rest));
  return std::string(stem) + suffix + std::string(parts.extension);
}

bool is_conflict_name(std::string_view name) {
  const Parts parts = split(name, false);
  return without_suffix(parts.stem) != parts.stem || without_suffix(name) != name;
}

}  // namespace skymoor::client
