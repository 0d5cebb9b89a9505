#include "shared/protocol/accounts.h"

#include "shared/protocol/json_accounts.h"

namespace skymoor::protocol {
namespace {

constexpr std::size_t kMaxUserNameBytes = 64;
constexpr std::size_t kMaxDeviceNameBytes = 64;
constexpr std::size_t kMaxServerNameBytes = 255;
constexpr std::size_t kMaxTicketBytes = 128;   // registration_id, login_id
constexpr std::size_t kMaxTokenBytes = 4096;
constexpr std::size_t kMaxWrapBytes = 1024;
constexpr std::size_t kMaxHandshakeBytes = 1024;
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kSignatureBytes = 64;
constexpr std::uint64_t kMaxScryptLogN = 24;   // 2^24 x 1 KiB = 16 GiB: more is an attack on the client

Json keys_json(const UserKeys& k) {
  return {{"generation", k.generation},
          {"sealing_key", base64(k.sealing_key)},
          {"signing_key", base64(k.signing_key)},
          {"password_wrap", base64(k.password_wrap)},
          {"recovery_wrap", base64(k.recovery_wrap)},
          {"recovery_verifier", base64(k.recovery_verifier)}};
}

UserKeys read_keys(FieldReader& outer, std::string_view key) {
  FieldReader in(outer.object(key), std::string(key));
  UserKeys k;
  k.generation = static_cast<std::uint32_t>(in.number("generation", UINT32_MAX));
  k.sealing_key = in.bytes_exactly("sealing_key", kKeyBytes);
  k.signing_key = in.bytes_exactly("signing_key", kKeyBytes);
  k.password_wrap = in.bytes("password_wrap", kMaxWrapBytes, 1);
  k.recovery_wrap = in.bytes("recovery_wrap", kMaxWrapBytes, 1);
  k.recovery_verifier = in.bytes_exactly("recovery_verifier", kKeyBytes);
  outer.absorb(in);
  return k;
}

DevicePublic read_device(FieldReader& outer, std::string_view key) {
  FieldReader in(outer.object(key), std::string(key));
  DevicePublic device = read_device_public(in);
  outer.absorb(in);
  return device;
}

}  // namespace

Json device_json(const DevicePublic& d) {
  return {{"id", d.id.hex()},
          {"name", d.name},
          {"signing_key", base64(d.signing_key)},
          {"sealing_key", base64(d.sealing_key)}};
}

DevicePublic read_device_public(FieldReader& in) {
  DevicePublic d;
  d.id = in.hex_id<DeviceId>("id");
  d.name = in.text("name", kMaxDeviceNameBytes, 1);
  for (unsigned char c : d.name)
    if (c < 0x20 || c == 0x7f || c == '/') in.fail("name", "has a '/' or a control character");
  d.signing_key = in.bytes_exactly("signing_key", kKeyBytes);
  d.sealing_key = in.bytes_exactly("sealing_key", kKeyBytes);
  return d;
}

std::string encode(const RegisterStart& m) { return dump({{"user", m.user}, {"request", base64(m.request)}}); }
std::string encode(const RegisterChallenge& m) {
  return dump({{"registration_id", m.registration_id},
               {"response", base64(m.response)},
               {"server_name", m.server_name},
               {"scrypt_log_n", m.scrypt_log_n}});
}
std::string encode(const RegisterFinish& m) {
  return dump({{"registration_id", m.registration_id},
               {"record", base64(m.record)},
               {"keys", keys_json(m.keys)},
               {"device", device_json(m.device)}});
}
std::string encode(const ParametersRequest& m) { return dump({{"user", m.user}}); }
std::string encode(const LoginParameters& m) {
  return dump({{"server_name", m.server_name}, {"scrypt_log_n", m.scrypt_log_n}});
}
Bytes signed_start(std::string_view user, ByteView ke1) {
  Bytes message = to_bytes(std::string_view("skymoor login start 1\0", 22));
  append(message, as_bytes(user));
  message.push_back(0);
  append(message, ke1);
  return message;
}
std::string encode(const LoginStart& m) {
  Json json{{"user", m.user}, {"ke1", base64(m.ke1)}};
  if (!m.device.is_zero()) {
    json["device"] = m.device.hex();
    json["device_signature"] = base64(m.device_signature);
  }
  return dump(json);
}
std::string encode(const LoginChallenge& m) { return dump({{"login_id", m.login_id}, {"ke2", base64(m.ke2)}}); }
std::string encode(const LoginFinish& m) {
  return dump({{"login_id", m.login_id},
               {"ke3", base64(m.ke3)},
               {"device", device_json(m.device)},
               {"device_signature", base64(m.device_signature)}});
}
std::string encode(const RefreshRequest& m) { return dump({{"refresh_token", m.refresh_token}}); }
std::string encode(const Session& m) {
  return dump({{"user", m.user.hex()},
               {"access_token", m.access_token},
               {"refresh_token", m.refresh_token},
               {"expires_in_s", m.expires_in_s},
               {"admin", m.admin}});
}
std::string encode(const KeyBundle& m) {
  return dump({{"user", m.user.hex()}, {"user_name", m.user_name}, {"keys", keys_json(m.keys)}});
}
std::string encode(const std::vector<DeviceInfo>& devices) {
  Json list = Json::array();
  for (const DeviceInfo& info : devices) {
    Json item = device_json(info.device);
    item["created_ms"] = to_milliseconds(info.created);
    item["last_seen_ms"] = to_milliseconds(info.last_seen);
    item["revoked"] = info.revoked;
    list.push_back(std::move(item));
  }
  return dump({{"devices", std::move(list)}});
}

template <>
Result<RegisterStart> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  RegisterStart m{in.text("user", kMaxUserNameBytes, 1), in.bytes("request", kMaxHandshakeBytes, 1)};
  TRY(in.finish());
  return m;
}

template <>
Result<RegisterChallenge> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  RegisterChallenge m;
  m.registration_id = in.text("registration_id", kMaxTicketBytes, 1);
  m.response = in.bytes("response", kMaxHandshakeBytes, 1);
  m.server_name = in.text("server_name", kMaxServerNameBytes, 1);
  m.scrypt_log_n = static_cast<std::uint32_t>(in.number("scrypt_log_n", kMaxScryptLogN));
  TRY(in.finish());
  return m;
}

template <>
Result<RegisterFinish> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  RegisterFinish m;
  m.registration_id = in.text("registration_id", kMaxTicketBytes, 1);
  m.record = in.bytes("record", kMaxHandshakeBytes, 1);
  m.keys = read_keys(in, "keys");
  m.device = read_device(in, "device");
  TRY(in.finish());
  return m;
}

template <>
Result<ParametersRequest> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  ParametersRequest m{in.text("user", kMaxUserNameBytes, 1)};
  TRY(in.finish());
  return m;
}

template <>
Result<LoginParameters> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  LoginParameters m;
  m.server_name = in.text("server_name", kMaxServerNameBytes, 1);
  m.scrypt_log_n = static_cast<std::uint32_t>(in.number("scrypt_log_n", kMaxScryptLogN));
  TRY(in.finish());
  return m;
}

template <>
Result<LoginStart> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  LoginStart m{in.text("user", kMaxUserNameBytes, 1), in.bytes("ke1", kMaxHandshakeBytes, 1), {}, {}};
  if (json.contains("device")) {
    m.device = in.hex_id<DeviceId>("device");
    m.device_signature = in.bytes_exactly("device_signature", kSignatureBytes);
  }
  TRY(in.finish());
  return m;
}

template <>
Result<LoginChallenge> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  LoginChallenge m{in.text("login_id", kMaxTicketBytes, 1), in.bytes("ke2", kMaxHandshakeBytes, 1)};
  TRY(in.finish());
  return m;
}

template <>
Result<LoginFinish> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  LoginFinish m;
  m.login_id = in.text("login_id", kMaxTicketBytes, 1);
  m.ke3 = in.bytes("ke3", kMaxHandshakeBytes, 1);
  m.device = read_device(in, "device");
  m.device_signature = in.bytes_exactly("device_signature", kSignatureBytes);
  TRY(in.finish());
  return m;
}

template <>
Result<RefreshRequest> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  RefreshRequest m{in.text("refresh_token", kMaxTokenBytes, 1)};
  TRY(in.finish());
  return m;
}

template <>
Result<Session> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  Session m;
  m.user = in.hex_id<UserId>("user");
  m.access_token = in.text("access_token", kMaxTokenBytes, 1);
  m.refresh_token = in.text("refresh_token", kMaxTokenBytes, 1);
  m.expires_in_s = static_cast<std::int64_t>(in.number("expires_in_s", 366 * 86400));
  m.admin = in.flag("admin", false);
  TRY(in.finish());
  return m;
}

template <>
Result<KeyBundle> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  KeyBundle m;
  m.user = in.hex_id<UserId>("user");
  m.user_name = in.text("user_name", kMaxUserNameBytes, 1);
  m.keys = read_keys(in, "keys");
  TRY(in.finish());
  return m;
}

template <>
Result<std::vector<DeviceInfo>> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader outer(json, "");
  std::vector<DeviceInfo> devices;
  for (const Json& item : outer.array("devices")) {
    FieldReader in(item, "devices");
    DeviceInfo info;
    info.device = read_device_public(in);
    info.created = in.time("created_ms");
    info.last_seen = in.time("last_seen_ms");
    info.revoked = in.flag("revoked", false);
    TRY(in.finish());
    devices.push_back(std::move(info));
  }
  TRY(outer.finish());
  return devices;
}

Result<std::string> normalize_user_name(std::string_view name) {
  std::string out(name);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  bool allowed = !out.empty() && out.size() <= kMaxUserNameBytes;
  for (char c : out) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!letter && c != '.' && c != '_' && c != '-' && c != '@') allowed = false;
  }
  if (!allowed)
    return Error(Code::kInvalidArgument, "user name: 1 to 64 characters out of a-z 0-9 . _ - @ are allowed");
  return out;
}

}  // namespace skymoor::protocol
