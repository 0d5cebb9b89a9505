#include "shared/protocol/json_fields.h"

#include <set>

namespace skymoor::protocol {
namespace {

const Json& empty_object() {
  static const Json empty = Json::object();
  return empty;
}
const Json& empty_array() {
  static const Json empty = Json::array();
  return empty;
}

/// Watches a parse for what the grammar allows and we do not.
class Guard {
 public:
  /// False discards the value; the parse then ends with `broken` set.
  bool see(int depth, Json::parse_event_t event, const Json& parsed) {
    if (depth > kMaxJsonDepth) broken_ = "nested too deep";
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end && !keys_.empty()) keys_.pop_back();
    if (event == Json::parse_event_t::key && !keys_.empty() && !keys_.back().insert(parsed.get<std::string>()).second)
      broken_ = "a key twice";
    return !broken_;
  }
  const char* broken() const { return broken_; }

 private:
  std::vector<std::set<std::string>> keys_;
  const char* broken_ = nullptr;
};

}  // namespace

Result<Json> parse_object(ByteView text) {
  if (text.size() > kMaxJsonBytes) return Error(Code::kTooLarge, "JSON larger than 4 MiB");
  Guard guard;
  Json json;
  try {
    json = Json::parse(
        text.begin(), text.end(),
        [&guard](int depth, Json::parse_event_t event, Json& parsed) { return guard.see(depth, event, parsed); },
        /*allow_exceptions=*/false);
  } catch (const std::exception& e) {
    return Error(Code::kInvalidArgument, "malformed JSON");
  }
  if (guard.broken()) return Error(Code::kInvalidArgument, std::string("malformed JSON: ") + guard.broken());
  if (json.is_discarded()) return Error(Code::kInvalidArgument, "malformed JSON");
  if (!json.is_object()) return Error(Code::kInvalidArgument, "malformed JSON: not an object");
  return json;
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

const Json* FieldReader::find(std::string_view key) {
  if (!failure_.empty()) return nullptr;
  auto it = object_.find(key);
  if (it == object_.end()) {
    fail(key, "is missing");
    return nullptr;
  }
  return &*it;
}

std::string FieldReader::text(std::string_view key, std::size_t max_bytes, std::size_t min_bytes) {
  const Json* field = find(key);
  if (!field) return {};
  if (!field->is_string()) return fail(key, "is not text"), std::string();
  const auto& value = field->get_ref<const std::string&>();
  if (value.size() > max_bytes)
    return fail(key, "is longer than " + std::to_string(max_bytes) + " bytes"), std::string();
  if (value.size() < min_bytes) return fail(key, "is too short"), std::string();
  return value;
}

Bytes FieldReader::bytes(std::string_view key, std::size_t max_bytes, std::size_t min_bytes) {
  std::string encoded = text(key, (max_bytes * 4 + 2) / 3);
  if (!failure_.empty()) return {};
  auto decoded = base64url_decode(encoded);
  if (!decoded.ok()) return fail(key, "is not base64url without padding"), Bytes();
  if (decoded->size() > max_bytes || decoded->size() < min_bytes)
    return fail(key, "is " + std::to_string(decoded->size()) + " bytes long, which is not allowed"), Bytes();
  return std::move(*decoded);
}

std::uint64_t FieldReader::number(std::string_view key, std::uint64_t max) {
  const Json* field = find(key);
  if (!field) return 0;
  if (!field->is_number_unsigned()) return fail(key, "is not a whole number of 0 or more"), 0;
  auto value = field->get<std::uint64_t>();
  if (value > max) return fail(key, "is larger than " + std::to_string(max)), 0;
  return value;
}

bool FieldReader::flag(std::string_view key, bool when_missing) {
  if (!failure_.empty() || !object_.contains(key)) return when_missing;
  const Json* field = find(key);
  if (!field->is_boolean()) return fail(key, "is neither true nor false"), when_missing;
  return field->get<bool>();
}

Timestamp FieldReader::time(std::string_view key) {
  // Nanoseconds of int64 reach from 1678 to 2262: more milliseconds than that would overflow.
  static constexpr std::int64_t kLimit = 9'223'372'036'000;
  const Json* field = find(key);
  if (!field) return {};
  if (!field->is_number_integer()) return fail(key, "is not a time in milliseconds"), Timestamp{};
  if (field->is_number_unsigned() && field->get<std::uint64_t>() > static_cast<std::uint64_t>(kLimit))
    return fail(key, "is not a time in milliseconds"), Timestamp{};
  auto value = field->get<std::int64_t>();
  if (value < -kLimit) return fail(key, "is not a time in milliseconds"), Timestamp{};
  return Timestamp{std::chrono::milliseconds{value}};
}

std::size_t FieldReader::choice(std::string_view key, std::initializer_list<std::string_view> names) {
  std::string value = text(key, 64);
  std::size_t at = 0;
  for (std::string_view name : names) {
    if (name == value) return at;
    ++at;
  }
  fail(key, "is none of the known words");
  return 0;
}

const Json& FieldReader::object(std::string_view key) {
  const Json* field = find(key);
  if (!field) return empty_object();
  if (!field->is_object()) return fail(key, "is not an object"), empty_object();
  return *field;
}

const Json& FieldReader::array(std::string_view key, std::size_t max_items) {
  const Json* field = find(key);
  if (!field) return empty_array();
  if (!field->is_array()) return fail(key, "is not a list"), empty_array();
  if (field->size() > max_items) return fail(key, "has too many items"), empty_array();
  return *field;
}

void FieldReader::fail(std::string_view key, std::string what) {
  if (!failure_.empty()) return;
  failure_ = path_;
  if (!key.empty()) failure_ += (path_.empty() ? "" : ".") + std::string(key);
  failure_ += (failure_.empty() ? "" : " ") + what;
}

Status FieldReader::finish() const {
  if (failure_.empty()) return {};
  return Error(Code::kInvalidArgument, failure_);
}

}  // namespace skymoor::protocol
