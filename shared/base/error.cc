#include "shared/base/error.h"

#include <cctype>
#include <cstring>
#include <map>

namespace skymoor {
namespace {

struct Row {
  Code code;
  std::string_view name;
  int sys_errno;
  int http;
  Retry retry;
  ErrorLevel level;
};

constexpr Row kRows[] = {
#define X(name, number, err, http, retry, level) {Code::k##name, #name, err, http, Retry::retry, ErrorLevel::level},
    SKYMOOR_ERROR_CODES(X)
#undef X
};

constexpr const Row& row_of(Code code) {
  for (const Row& row : kRows)
    if (row.code == code) return row;
  return kRows[23];  // Internal
}

/// "NotFound" -> "not_found"
std::string snake(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (std::isupper(static_cast<unsigned char>(c)) && !out.empty()) out += '_';
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

const std::map<Code, std::string>& wire_names() {
  static const std::map<Code, std::string> names = [] {
    std::map<Code, std::string> all;
    for (const Row& row : kRows) all.emplace(row.code, snake(row.name));
    return all;
  }();
  return names;
}

}  // namespace

std::string_view name_of(Code code) { return row_of(code).name; }
std::string_view wire_name_of(Code code) { return wire_names().at(row_of(code).code); }

Code code_from_wire_name(std::string_view name, Code fallback) {
  for (const auto& [code, wire] : wire_names())
    if (wire == name) return code;
  return fallback;
}

int http_status_of(Code code) { return row_of(code).http; }
Retry retry_of(Code code) { return row_of(code).retry; }
ErrorLevel level_of(Code code) { return row_of(code).level; }
int errno_of(Code code) { return row_of(code).sys_errno; }
int errno_of(const Error& error) {
  return error.system_errno() != 0 ? error.system_errno() : errno_of(error.code());
}

Code code_from_errno(int sys_errno) {
  for (const Row& row : kRows)
    if (row.sys_errno == sys_errno) return row.code;
  return Code::kIo;
}

Error Error::from_errno(int sys_errno, std::string_view what, std::source_location origin) {
  char buffer[128];
  Error error(code_from_errno(sys_errno), std::string(what) + ": " + strerror_r(sys_errno, buffer, sizeof buffer),
              origin);
  error.system_errno_ = sys_errno;
  return error;
}

Error Error::wrap(std::string context, std::source_location origin) const {
  Error outer(code_, std::move(context), origin);
  outer.system_errno_ = system_errno_;
  outer.cause_ = std::make_shared<const Error>(*this);
  return outer;
}

std::string Error::to_string() const {
  std::string out = message_;
  for (const Error* inner = cause(); inner; inner = inner->cause()) out += ": " + inner->message_;
  return out;
}

}  // namespace skymoor
