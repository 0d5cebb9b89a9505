#include "shared/protocol/volumes.h"

#include "shared/protocol/json_accounts.h"

namespace skymoor::protocol {
namespace {

constexpr std::size_t kMaxSealedKeyBytes = 1024;
constexpr std::size_t kMaxSealedLabelBytes = 1024;
constexpr std::uint32_t kMaxWriterId = (1u << 24) - 1;

std::string_view kind_name(VolumeKind kind) { return kind == VolumeKind::kManaged ? "managed" : "private"; }
VolumeKind read_kind(FieldReader& in) {
  return in.choice("kind", {"private", "managed"}) == 1 ? VolumeKind::kManaged : VolumeKind::kPrivate;
}
std::string_view role_name(Role role) {
  switch (role) {
    case Role::kReader: return "reader";
    case Role::kWriter: return "writer";
    case Role::kOwner: return "owner";
  }
  return "reader";
}

Json volume_json(const VolumeInfo& v) {
  return {{"id", v.id.hex()},
          {"kind", kind_name(v.kind)},
          {"role", role_name(v.role)},
          {"epoch", v.epoch.value},
          {"key_epoch", v.key_epoch},
          {"sealed_key", base64(v.sealed_key)},
          {"sealed_label", base64(v.sealed_label)},
          {"head", v.head.value},
          {"head_hash", v.head_hash.hex()},
          {"inodes", v.inodes},
          {"content_bytes", v.content_bytes},
          {"stored_bytes", v.stored_bytes},
          {"quota_bytes", v.quota_bytes},
          {"free_bytes", v.free_bytes},
          {"created_ms", to_milliseconds(v.created)}};
}

VolumeInfo read_volume(FieldReader& in) {
  VolumeInfo v;
  v.id = in.hex_id<VolumeId>("id");
  v.kind = read_kind(in);
  v.role = static_cast<Role>(1 + in.choice("role", {"reader", "writer", "owner"}));
  v.epoch = Epoch{static_cast<std::uint32_t>(in.number("epoch", UINT32_MAX))};
  v.key_epoch = static_cast<std::uint32_t>(in.number("key_epoch", UINT32_MAX));
  v.sealed_key = in.bytes("sealed_key", kMaxSealedKeyBytes);
  v.sealed_label = in.bytes("sealed_label", kMaxSealedLabelBytes);
  v.head = Sequence{in.number("head", UINT64_MAX)};
  v.head_hash = in.hex_id<Hash256>("head_hash");
  v.inodes = in.number("inodes", UINT64_MAX);
  v.content_bytes = in.number("content_bytes", UINT64_MAX);
  v.stored_bytes = in.number("stored_bytes", UINT64_MAX);
  v.quota_bytes = in.number("quota_bytes", UINT64_MAX);
  v.free_bytes = in.number("free_bytes", UINT64_MAX);
  v.created = in.time("created_ms");
  return v;
}

}  // namespace

std::string encode(const VolumeInfo& m) { return dump(volume_json(m)); }
std::string encode(const std::vector<VolumeInfo>& volumes) {
  Json list = Json::array();
  for (const VolumeInfo& v : volumes) list.push_back(volume_json(v));
  return dump({{"volumes", std::move(list)}});
}
std::string encode(const CreateVolume& m) {
  return dump({{"id", m.id.hex()},
               {"kind", kind_name(m.kind)},
               {"key_epoch", m.key_epoch},
               {"sealed_key", base64(m.sealed_key)},
               {"sealed_label", base64(m.sealed_label)},
               {"root_uid", m.root_uid},
               {"root_gid", m.root_gid},
               {"root_mode", m.root_mode}});
}
std::string encode(const WriterLease& m) { return dump({{"writer", m.writer.value}}); }
std::string encode(const CommitReply& m) {
  return dump({{"sequence", m.sequence.value}, {"hash", m.hash.hex()}, {"head", m.head.value}});
}
std::string encode(const BeginEpoch& m) {
  return dump({{"epoch", m.epoch.value},
               {"sequence", m.sequence.value},
               {"hash", m.hash.hex()},
               {"signature", base64(m.signature)}});
}
std::string encode(const std::vector<DevicePublic>& devices) {
  Json list = Json::array();
  for (const DevicePublic& d : devices) list.push_back(device_json(d));
  return dump({{"devices", std::move(list)}});
}
std::string encode(const ChangeEvent& m) {
  return dump({{"volume", m.volume.hex()}, {"sequence", m.sequence.value}});
}

template <>
Result<VolumeInfo> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  VolumeInfo m = read_volume(in);
  TRY(in.finish());
  return m;
}

template <>
Result<std::vector<VolumeInfo>> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader outer(json, "");
  std::vector<VolumeInfo> volumes;
  for (const Json& item : outer.array("volumes")) {
    FieldReader in(item, "volumes");
    volumes.push_back(read_volume(in));
    TRY(in.finish());
  }
  TRY(outer.finish());
  return volumes;
}

template <>
Result<CreateVolume> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  CreateVolume m;
  m.id = in.hex_id<VolumeId>("id");
  m.kind = read_kind(in);
  m.key_epoch = static_cast<std::uint32_t>(in.number("key_epoch", UINT32_MAX));
  m.sealed_key = in.bytes("sealed_key", kMaxSealedKeyBytes, 1);
  m.sealed_label = in.bytes("sealed_label", kMaxSealedLabelBytes, 1);
  m.root_uid = static_cast<std::uint32_t>(in.number("root_uid", UINT32_MAX));
  m.root_gid = static_cast<std::uint32_t>(in.number("root_gid", UINT32_MAX));
  m.root_mode = static_cast<std::uint32_t>(in.number("root_mode", 07777));
  if (m.id.is_zero()) in.fail("id", "is zero");
  TRY(in.finish());
  return m;
}

template <>
Result<WriterLease> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  WriterLease m{WriterId{static_cast<std::uint32_t>(in.number("writer", kMaxWriterId))}};
  TRY(in.finish());
  return m;
}

template <>
Result<CommitReply> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  CommitReply m;
  m.sequence = Sequence{in.number("sequence", UINT64_MAX)};
  m.hash = in.hex_id<Hash256>("hash");
  m.head = Sequence{in.number("head", UINT64_MAX)};
  TRY(in.finish());
  return m;
}

template <>
Result<BeginEpoch> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  BeginEpoch m;
  m.epoch = Epoch{static_cast<std::uint32_t>(in.number("epoch", UINT32_MAX))};
  m.sequence = Sequence{in.number("sequence", UINT64_MAX)};
  m.hash = in.hex_id<Hash256>("hash");
  m.signature = in.bytes_exactly("signature", 64);
  TRY(in.finish());
  return m;
}

template <>
Result<std::vector<DevicePublic>> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader outer(json, "");
  std::vector<DevicePublic> devices;
  for (const Json& item : outer.array("devices")) {
    FieldReader in(item, "devices");
    devices.push_back(read_device_public(in));
    TRY(in.finish());
  }
  TRY(outer.finish());
  return devices;
}

template <>
Result<ChangeEvent> decode(ByteView text) {
  Json json = TRY(parse_object(text));
  FieldReader in(json, "");
  ChangeEvent m;
  m.volume = in.hex_id<VolumeId>("volume");
  m.sequence = Sequence{in.number("sequence", UINT64_MAX)};
  TRY(in.finish());
  return m;
}

}  // namespace skymoor::protocol
