#include "shared/model/history.h"

#include "shared/model/codec.h"
#include "shared/model/inode_record.h"

namespace skymoor {
namespace {
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kVersionBytes = 60, kMinTrashBytes = 100;
}  // namespace

Bytes encode_version_page(const VersionPage& page) {
  ByteWriter out;
  out.u8(kVersion);
  out.u32(page.epoch.value);
  codec::put(out, page.head);
  encode(out, page.inode);
  out.varint(page.versions.size());
  for (const VersionRecord& v : page.versions) {
    codec::put(out, v.sequence);
    codec::put(out, v.content);
    codec::put(out, v.device);
    out.u64(v.size);
    codec::put(out, v.mtime);
    codec::put(out, v.stored);
  }
  codec::put(out, page.next);
  return out.take();
}

Result<VersionPage> decode_version_page(ByteView bytes) {
  ByteReader in(bytes);
  if (in.u8() != kVersion) return Error(Code::kCorrupt, "version page of an unknown version");
  VersionPage page;
  page.epoch = Epoch{in.u32()};
  codec::get(in, page.head);
  page.inode = decode_inode_record(in);
  const std::size_t versions = in.count(kMaxListedEntries, kVersionBytes);
  for (std::size_t i = 0; i < versions && !in.failed(); ++i) {
    VersionRecord v;
    codec::get(in, v.sequence);
    codec::get(in, v.content);
    codec::get(in, v.device);
    v.size = in.u64();
    codec::get(in, v.mtime);
    codec::get(in, v.stored);
    page.versions.push_back(v);
  }
  codec::get(in, page.next);
  TRY(in.finish("version page"));
  return page;
}

Bytes encode_trash_page(const TrashPage& page) {
  ByteWriter out;
  out.u8(kVersion);
  out.u32(page.epoch.value);
  codec::put(out, page.head);
  out.varint(page.entries.size());
  for (const TrashEntry& e : page.entries) {
    codec::put(out, e.token);
    out.bytes(e.sealed_name);
    codec::put(out, e.sequence);
    codec::put(out, e.time);
    encode(out, e.inode);
  }
  out.bytes(page.next);
  return out.take();
}

Result<TrashPage> decode_trash_page(ByteView bytes) {
  ByteReader in(bytes);
  if (in.u8() != kVersion) return Error(Code::kCorrupt, "trash page of an unknown version");
  TrashPage page;
  page.epoch = Epoch{in.u32()};
  codec::get(in, page.head);
  const std::size_t entries = in.count(kMaxListedEntries, kMinTrashBytes);
  for (std::size_t i = 0; i < entries && !in.failed(); ++i) {
    TrashEntry e;
    codec::get(in, e.token);
    e.sealed_name = to_bytes(in.bytes(kMaxSealedNameBytes));
    codec::get(in, e.sequence);
    codec::get(in, e.time);
    e.inode = decode_inode_record(in);
    page.entries.push_back(std::move(e));
  }
  page.next = to_bytes(in.bytes(kMaxCursorBytes));
  TRY(in.finish("trash page"));
  return page;
}

}  // namespace skymoor
