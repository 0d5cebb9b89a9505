#include "backend-server/http/message.h"

namespace skymoor::server {

std::string_view Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

const std::string& Request::parameter(std::string_view name) const {
  static const std::string none;
  for (const auto& [key, value] : parameters)
    if (key == name) return value;
  return none;
}

std::optional<std::string_view> Request::query_value(std::string_view key) const {
  for (const auto& [name, value] : query)
    if (name == key) return value;
  return std::nullopt;
}

ByteView Response::body_view() const {
  if (const auto* text = std::get_if<std::string>(&body)) return as_bytes(*text);
  if (const auto* bytes = std::get_if<Bytes>(&body)) return *bytes;
  return std::get<Body>(body);
}

}  // namespace skymoor::server
