#include "shared/base/settings.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "shared/base/file.h"
#include "shared/base/suggestion.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace skymoor {
namespace {

constexpr std::size_t kMaxFileBytes = 1u << 20;

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr Unit kByteUnits[] = {{"", 1},          {"B", 1},           {"KiB", 1ll << 10}, {"MiB", 1ll << 20},
                               {"GiB", 1ll << 30}, {"TiB", 1ll << 40}, {"K", 1ll << 10},   {"M", 1ll << 20},
                               {"G", 1ll << 30},   {"T", 1ll << 40},   {"KB", 1000},       {"MB", 1000000},
                               {"GB", 1000000000}, {"TB", 1000000000000}};
constexpr Unit kDurationUnits[] = {{"ms", 1},    {"s", 1000},      {"", 1000},       {"m", 60000},
                                   {"min", 60000}, {"h", 3600000},   {"d", 86400000}};

Result<std::int64_t> parse_with_units(std::string_view text, std::span<const Unit> units, std::string_view examples) {
  std::int64_t number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  if (ec == std::errc() && number >= 0)
    for (const Unit& u : units)
      if (u.name == unit && number <= std::numeric_limits<std::int64_t>::max() / u.factor) return number * u.factor;
  return Error(Code::kInvalidArgument, "'" + std::string(text) + "' is not like " + std::string(examples));
}

/// The line of the first table header, 0 if there is none: the parser must not see one (toml++ 3.3 takes for granted that
/// a name follows), and settings have none.
std::size_t line_of_table(std::string_view text) {
  std::size_t line = 1;
  for (std::size_t at = 0; at < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::size_t first = text.find_first_not_of(" \t", at);
    if (first < end && text[first] == '[') return line;
    at = end + 1;
  }
  return 0;
}

bool is_choice(std::string_view choices, std::string_view value) {
  while (!choices.empty()) {
    auto bar = choices.find('|');
    if (choices.substr(0, bar) == value) return true;
    if (bar == std::string_view::npos) break;
    choices.remove_prefix(bar + 1);
  }
  return false;
}

Result<std::int64_t> parse_number(const Setting& setting, std::string_view value) {
  switch (setting.type) {
    case SettingType::kBytes: return parse_bytes(value);
    case SettingType::kDuration: return parse_duration_ms(value);
    default: {
      std::int64_t number = 0;
      auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (ec != std::errc() || end != value.data() + value.size())
        return Error(Code::kInvalidArgument, "'" + std::string(value) + "' is not a whole number");
      return number;
    }
  }
}

Result<bool> parse_flag(std::string_view value) {
  if (value == "true" || value == "yes" || value == "on" || value == "1" || value.empty()) return true;
  if (value == "false" || value == "no" || value == "off" || value == "0") return false;
  return Error(Code::kInvalidArgument, "'" + std::string(value) + "' is neither true nor false");
}

Status check(const Setting& setting, std::string_view value) {
  if (setting.type == SettingType::kBool) {
    TRY(parse_flag(value));
  } else if (setting.type == SettingType::kText) {
    if (!setting.choices.empty() && !is_choice(setting.choices, value))
      return Error(Code::kInvalidArgument, "'" + std::string(value) + "': use one of " + std::string(setting.choices));
  } else {
    std::int64_t number = TRY(parse_number(setting, value));
    if ((setting.min != 0 || setting.max != 0) && (number < setting.min || number > setting.max))
      return Error(Code::kInvalidArgument, "'" + std::string(value) + "' is outside " + std::to_string(setting.min) +
                                               " to " + std::to_string(setting.max));
  }
  return {};
}

}  // namespace

Result<std::int64_t> parse_bytes(std::string_view text) { return parse_with_units(text, kByteUnits, "64KiB or 10GiB"); }
Result<std::int64_t> parse_duration_ms(std::string_view text) {
  return parse_with_units(text, kDurationUnits, "500ms, 30s, 5m or 12h");
}

std::string format_bytes(std::uint64_t bytes) {
  static constexpr const char* kNames[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kNames); ++unit) value /= 1024;
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, unit == 0 ? "%.0f %s" : "%.1f %s", value, kNames[unit]);
  return buffer;
}

std::string format_count(std::uint64_t n, std::string_view one, std::string_view many) {
  return std::to_string(n) + " " + std::string(n == 1 ? one : many);
}

std::string format_duration_ms(std::int64_t ms) {
  auto text = [](std::int64_t n, const char* unit) { return std::to_string(n) + " " + unit; };
  if (ms < 1000) return text(ms, "ms");
  std::int64_t s = ms / 1000;
  if (s < 60) return text(s, "s");
  if (s < 3600) return text(s / 60, "min") + (s % 60 ? " " + text(s % 60, "s") : "");
  if (s < 86400) return text(s / 3600, "h") + (s / 60 % 60 ? " " + text(s / 60 % 60, "min") : "");
  return text(s / 86400, "d") + (s / 3600 % 24 ? " " + text(s / 3600 % 24, "h") : "");
}

Settings::Settings(std::span<const Setting> table) : table_(table) {
  for (const Setting& s : table_) values_.emplace(s.name, s.default_value);
}

const Setting* Settings::find(std::string_view name) const {
  for (const Setting& s : table_)
    if (s.name == name) return &s;
  return nullptr;
}

Status Settings::set(std::string_view name, std::string_view value) {
  const Setting* setting = find(name);
  if (!setting) {
    std::vector<std::string> known;
    for (const Setting& s : table_) known.emplace_back(s.name);
    return Error(Code::kInvalidArgument, "unknown setting '" + std::string(name) + "'" + did_you_mean(name, known));
  }
  if (Status valid = check(*setting, value); !valid.ok())
    return Error(Code::kInvalidArgument, std::string(name) + ": " + valid.error().message());
  values_[std::string(name)] = setting->type == SettingType::kBool && value.empty() ? "true" : std::string(value);
  return {};
}

Status Settings::load_toml(const std::string& path) {
  PosixDisk disk;
  const Bytes content = TRY(read_file(disk, path, kMaxFileBytes));
  auto at = [&](std::size_t line) { return path + ":" + std::to_string(line) + ": "; };
  if (const std::size_t line = line_of_table(as_text(content)))
    return Error(Code::kInvalidArgument, at(line) + "settings are not in tables: only NAME = VALUE");
  toml::parse_result parsed = toml::parse(as_text(content), path);
  if (!parsed) {
    const auto& error = parsed.error();
    return Error(Code::kInvalidArgument, at(error.source().begin.line) + std::string(error.description()));
  }
  for (auto&& [key, node] : parsed.table()) {
    std::string value;
    if (auto text = node.value_exact<std::string>()) value = *text;
    else if (auto number = node.value_exact<std::int64_t>()) value = std::to_string(*number);
    else if (auto flag = node.value_exact<bool>()) value = *flag ? "true" : "false";
    else return Error(Code::kInvalidArgument, at(node.source().begin.line) + std::string(key.str()) +
                                                  ": expected text, a whole number, true or false");
    if (Status done = set(key.str(), value); !done.ok())
      return Error(Code::kInvalidArgument, at(node.source().begin.line) + done.error().message());
  }
  return {};
}

const std::string& Settings::text(std::string_view name) const { return values_.find(name)->second; }
bool Settings::flag(std::string_view name) const { return parse_flag(text(name)).value_or(false); }
std::int64_t Settings::number(std::string_view name) const { return parse_number(*find(name), text(name)).value_or(0); }
bool Settings::is_default(std::string_view name) const { return text(name) == find(name)->default_value; }

std::string Settings::sample_toml() const {
  std::string out;
  for (const Setting& s : table_) {
    bool bare = s.type == SettingType::kBool || s.type == SettingType::kInteger;
    std::string value = bare ? std::string(s.default_value) : "\"" + std::string(s.default_value) + "\"";
    out += "# " + std::string(s.doc) + "\n#" + std::string(s.name) + " = " + value + "\n\n";
  }
  return out;
}

}  // namespace skymoor
