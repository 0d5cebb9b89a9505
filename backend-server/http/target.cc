#include "backend-server/http/router.h"

namespace skymoor::server {
namespace {

constexpr std::size_t kMaxTargetBytes = 2048;
constexpr std::size_t kMaxQueryKeys = 32;

Error malformed(const char* what) { return Error(Code::kInvalidArgument, std::string("request target: ") + what); }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Source: RFC 3629, table 3-7 of the Unicode standard: no overlong form, no surrogate, nothing past U+10FFFF.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
    unsigned first = byte(i);
    std::size_t length = first < 0x80   ? 1
                         : first < 0xc2 ? 0
                         : first < 0xe0 ? 2
                         : first < 0xf0 ? 3
                         : first < 0xf5 ? 4
                                        : 0;
    if (length == 0) return false;
    for (std::size_t k = 1; k < length; ++k)
      if ((byte(i + k) & 0xc0) != 0x80) return false;
    unsigned second = byte(i + 1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return false;
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return false;
    i += length;
  }
  return true;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return malformed("bad percent-encoding");
      c = static_cast<char>(high << 4 | low);
      i += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return malformed("a control character");
    out += c;
  }
  if (!is_utf8(out)) return malformed("not UTF-8");
  return out;
}

Status check_segment(std::string_view segment) {
  if (segment.empty() || segment == "." || segment == "..") return malformed("an empty or dot segment");
  if (segment.find_first_of("/\\") != std::string_view::npos) return malformed("an encoded slash or a backslash");
  return {};
}

Result<std::string> parse_path(std::string_view raw) {
  if (raw == "/") return std::string(raw);
  std::string path;
  for (std::size_t at = 0; at < raw.size();) {
    std::size_t slash = std::min(raw.find('/', at + 1), raw.size());
    std::string segment = TRY(percent_decode(raw.substr(at + 1, slash - at - 1)));
    TRY(check_segment(segment));
    path += '/' + segment;
    if (slash + 1 == raw.size()) return malformed("an empty or dot segment");
    at = slash;
  }
  return path;
}

Result<std::vector<NamedText>> parse_query(std::string_view raw) {
  std::vector<NamedText> query;
  for (std::size_t at = 0, end = 0; at < raw.size(); at = end + 1) {
    end = std::min(raw.find('&', at), raw.size());
    std::string_view pair = raw.substr(at, end - at);
    if (pair.empty()) continue;
    auto equals = std::min(pair.find('='), pair.size());
    std::string key = TRY(percent_decode(pair.substr(0, equals)));
    std::string value = TRY(percent_decode(pair.substr(std::min(equals + 1, pair.size()))));
    for (const auto& known : query)
      if (known.first == key) return malformed("a query key twice");
    if (query.size() == kMaxQueryKeys) return Error(Code::kTooLarge, "request target: more than 32 query keys");
    query.emplace_back(std::move(key), std::move(value));
  }
  return query;
}

}  // namespace

Result<Target> parse_target(std::string_view target) {
  if (target.size() > kMaxTargetBytes) return Error(Code::kTooLarge, "request target longer than 2 KiB");
  if (target.empty() || target.front() != '/') return malformed("only the origin form (/path) is served");
  if (target.find('#') != std::string_view::npos) return malformed("a fragment");
  auto question = std::min(target.find('?'), target.size());
  Target parsed;
  parsed.path = TRY(parse_path(target.substr(0, question)));
  if (question < target.size()) parsed.query = TRY(parse_query(target.substr(question + 1)));
  return parsed;
}

}  // namespace skymoor::server
