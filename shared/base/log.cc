#include "shared/base/log.h"

#include <nlohmann/json.hpp>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace skymoor {
namespace {

struct Target {
  std::shared_ptr<spdlog::logger> logger;
  bool json = false;
};

// The process has one log, as it has one standard error; everything else is passed in.
Target& target() {
  static Target shared = [] {
    Target fresh{std::make_shared<spdlog::logger>("skymoor", std::make_shared<spdlog::sinks::stderr_sink_mt>())};
    fresh.logger->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %v", spdlog::pattern_time_type::utc);
    return fresh;
  }();
  return shared;
}

bool plain(std::string_view text) {
  if (text.empty()) return false;
  for (char c : text)
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return false;
  return true;
}

std::string quote(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void write_line(spdlog::level::level_enum level, std::string_view event, LogFields fields) {
  Target& out = target();
  if (!out.logger->should_log(level)) return;
  std::string line;
  if (out.json) {
    line = "{\"event\":" + quote(event);
    for (const auto& f : fields) line += "," + quote(f.key) + ":" + (f.quoted ? quote(f.value) : f.value);
    line += "}";
  } else {
    line = event;
    for (const auto& f : fields) {
      line += ' ';
      line += f.key;
      line += '=';
      line += !f.quoted || plain(f.value) ? f.value : quote(f.value);
    }
  }
  out.logger->log(level, "{}", line);
}

std::string text_of(const Error& error) noexcept {
  try {
    return error.to_string();
  } catch (const std::exception&) {
    return "no memory";   // short enough for a string to hold in itself
  }
}

/// A log that cannot be written is no reason to fail.
void write(spdlog::level::level_enum level, std::string_view event, LogFields fields) noexcept {
  try {
    write_line(level, event, fields);
  } catch (const std::exception&) {
  }
}

}  // namespace

LogField::LogField(std::string_view k, const Error& v) noexcept : key(k), value(text_of(v)), quoted(true) {}

void log_error(std::string_view event, LogFields fields) { write(spdlog::level::err, event, fields); }
void log_warn(std::string_view event, LogFields fields) { write(spdlog::level::warn, event, fields); }
void log_info(std::string_view event, LogFields fields) { write(spdlog::level::info, event, fields); }
void log_debug(std::string_view event, LogFields fields) { write(spdlog::level::debug, event, fields); }
bool log_debug_enabled() { return target().logger->should_log(spdlog::level::debug); }

Status configure_log(const LogOptions& options) {
  static constexpr std::pair<std::string_view, spdlog::level::level_enum> kLevels[] = {
      {"error", spdlog::level::err},
      {"warn", spdlog::level::warn},
      {"info", spdlog::level::info},
      {"debug", spdlog::level::debug}};
  auto level = std::find_if(std::begin(kLevels), std::end(kLevels), [&](auto& l) { return l.first == options.level; });
  if (level == std::end(kLevels))
    return Error(Code::kInvalidArgument, "log level '" + options.level + "': use error, warn, info or debug");
  try {
    spdlog::sink_ptr sink;
    if (options.file.empty())
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else
      sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(options.file, options.max_file_bytes, 3);
    auto logger = std::make_shared<spdlog::logger>("skymoor", sink);
    logger->set_level(level->second);
    logger->flush_on(spdlog::level::info);
    if (options.json)
      logger->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l","log":%v})", spdlog::pattern_time_type::utc);
    else
      logger->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %v", spdlog::pattern_time_type::utc);
    target() = {std::move(logger), options.json};
  } catch (const spdlog::spdlog_ex& e) {
    return Error(Code::kIo, std::string("log file: ") + e.what());
  }
  return {};
}

}  // namespace skymoor
