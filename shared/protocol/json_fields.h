// Private to the room: strict JSON in, compact JSON out. The only header that sees nlohmann-json.
#pragma once
#include <nlohmann/json.hpp>

#include "shared/base/clock.h"
#include "shared/base/ids.h"

namespace skymoor::protocol {

using Json = nlohmann::json;

inline constexpr int kMaxJsonDepth = 32;
inline constexpr std::size_t kMaxJsonBytes = 4u << 20;
inline constexpr std::size_t kMaxJsonItems = 100000;

/// Parses a whole text. Errors: InvalidArgument (malformed, deeper than 32, a key twice, invalid UTF-8, not an object),
/// TooLarge.
Result<Json> parse_object(ByteView text);

/// Text that may hold bytes which are not UTF-8 is written with the replacement character.
std::string dump(const Json& json);

/// Reads the fields of one object. Like ByteReader, the first failure sticks: later reads give empty values, and
/// `finish` reports it by the field's name. Not thread-safe; the object must outlive it. Unknown fields are ignored.
class FieldReader {
 public:
  FieldReader(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
    if (!object.is_object()) fail("", "is not an object");
  }

  std::string text(std::string_view key, std::size_t max_bytes, std::size_t min_bytes = 0);
  Bytes bytes(std::string_view key, std::size_t max_bytes, std::size_t min_bytes = 0);  ///< base64url
  Bytes bytes_exactly(std::string_view key, std::size_t size) { return bytes(key, size, size); }
  std::uint64_t number(std::string_view key, std::uint64_t max);
  bool flag(std::string_view key, bool when_missing);
  Timestamp time(std::string_view key);  ///< milliseconds since 1970
  /// Text that must be one of the names; gives its place in the list.
  std::size_t choice(std::string_view key, std::initializer_list<std::string_view> names);
  template <typename Id>
  Id hex_id(std::string_view key) {
    auto id = Id::from_hex(text(key, 2 * Id::kSize));
    if (id.ok()) return *id;
    fail(key, "is not an id of " + std::to_string(2 * Id::kSize) + " lower-case hex digits");
    return {};
  }
  /// The object under `key`, or an empty one after a failure.
  const Json& object(std::string_view key);
  /// The array under `key`, or an empty one after a failure.
  const Json& array(std::string_view key, std::size_t max_items = kMaxJsonItems);

  void fail(std::string_view key, std::string what);
  /// Takes over the failure of a reader of a nested object.
  void absorb(const FieldReader& nested) {
    if (failure_.empty()) failure_ = nested.failure_;
  }
  Status finish() const;

 private:
  const Json* find(std::string_view key);

  const Json& object_;
  std::string path_;
  std::string failure_;
};

inline std::string base64(ByteView bytes) { return base64url_encode(bytes); }
inline std::int64_t to_milliseconds(Timestamp t) {
  return std::chrono::floor<std::chrono::milliseconds>(t).time_since_epoch().count();
}

}  // namespace skymoor::protocol
