#include "backend-server/api/arguments.h"

#include <charconv>

namespace skymoor::server {

Result<std::uint64_t> parse_number(std::string_view name, std::string_view text) {
  std::uint64_t number = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool leading_zero = text.size() > 1 && text.front() == '0';
  if (failure != std::errc() || end != text.data() + text.size() || leading_zero)
    return Error(Code::kInvalidArgument, std::string(name) + ": not a whole number");
  return number;
}

Result<std::uint64_t> query_number(const Request& request, std::string_view key, std::uint64_t otherwise) {
  auto text = request.query_value(key);
  if (!text) return otherwise;
  return parse_number(key, *text);
}

Result<std::uint64_t> query_number(const Request& request, std::string_view key) {
  auto text = request.query_value(key);
  if (!text) return Error(Code::kInvalidArgument, std::string(key) + ": is missing");
  return parse_number(key, *text);
}

Result<Bytes> query_bytes(const Request& request, std::string_view key, std::size_t max_bytes) {
  auto decoded = base64url_decode(request.query_value(key).value_or(std::string_view()));
  if (!decoded.ok() || decoded->size() > max_bytes)
    return Error(Code::kInvalidArgument, std::string(key) + ": not base64url, or too long");
  return decoded;
}

}  // namespace skymoor::server
