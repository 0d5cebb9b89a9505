// Private to the room: arguments in paths and queries. Errors of all: InvalidArgument, naming the argument.
#pragma once
#include "backend-server/http/message.h"
#include "shared/base/ids.h"

namespace skymoor::server {

/// An id in hex from the route's {name}.
template <typename Id>
Result<Id> path_id(const Request& request, std::string_view name) {
  auto id = Id::from_hex(request.parameter(name));
  if (!id.ok()) return Error(Code::kInvalidArgument, std::string(name) + ": not an id");
  return *id;
}

/// An id in hex from the query's `key`, which must be there.
template <typename Id>
Result<Id> query_id(const Request& request, std::string_view key) {
  auto id = Id::from_hex(request.query_value(key).value_or(std::string_view()));
  if (!id.ok()) return Error(Code::kInvalidArgument, std::string(key) + ": not an id");
  return *id;
}

/// A whole decimal number without sign or leading zeros.
Result<std::uint64_t> parse_number(std::string_view name, std::string_view text);

/// The number under `key`, or `otherwise` when the key is not there.
Result<std::uint64_t> query_number(const Request& request, std::string_view key, std::uint64_t otherwise);
/// The number under `key`, which must be there.
Result<std::uint64_t> query_number(const Request& request, std::string_view key);

/// Bytes in base64url, empty when the key is not there.
Result<Bytes> query_bytes(const Request& request, std::string_view key, std::size_t max_bytes);

}  // namespace skymoor::server
