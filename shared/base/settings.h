// Settings declared once as data: the table makes the parser, --help, the man page and the sample file.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "shared/base/error.h"

namespace skymoor {

enum class SettingType : std::uint8_t { kText, kBool, kInteger, kBytes, kDuration };

/// One setting. Sizes are written as 64KiB, 10GiB or 1GB; durations as 500ms, 30s, 5m, 12h or 30d.
struct Setting {
  std::string_view name;           ///< as on the command line and in the file: "cache-size"
  SettingType type;
  std::string_view default_value;
  std::int64_t min = 0, max = 0;   ///< for numbers, sizes (bytes) and durations (ms); both 0: no bound
  std::string_view doc;
  std::string_view choices = {};   ///< for text: "a|b|c"
};

/// Values of a settings table. Every setting has a value: its default until set.
class Settings {
 public:
  explicit Settings(std::span<const Setting> table);

  /// Errors: InvalidArgument, naming the setting, what is allowed, and the nearest known name for a misspelt one.
  Status set(std::string_view name, std::string_view value);
  /// Reads a TOML file of top-level keys. Errors: NotFound, InvalidArgument naming file and line.
  Status load_toml(const std::string& path);

  const std::string& text(std::string_view name) const;
  bool flag(std::string_view name) const;
  std::int64_t number(std::string_view name) const;      ///< integer, bytes, or milliseconds
  bool is_default(std::string_view name) const;
  std::span<const Setting> table() const { return table_; }
  /// A commented file with every setting at its default.
  std::string sample_toml() const;

 private:
  const Setting* find(std::string_view name) const;
  std::span<const Setting> table_;
  std::map<std::string, std::string, std::less<>> values_;
};

/// "10GiB" -> bytes, "30s" -> milliseconds. Errors: InvalidArgument.
Result<std::int64_t> parse_bytes(std::string_view text);
Result<std::int64_t> parse_duration_ms(std::string_view text);
std::string format_bytes(std::uint64_t bytes);   ///< "1.5 GiB"
std::string format_count(std::uint64_t n, std::string_view one, std::string_view many);   ///< "1 file", "2 files"
std::string format_duration_ms(std::int64_t ms); ///< "2 min 5 s"

}  // namespace skymoor
