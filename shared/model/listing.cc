#include "shared/model/listing.h"

#include "shared/model/codec.h"
#include "shared/model/inode_record.h"
#include "shared/model/xattr_limits.h"

namespace skymoor {
namespace {

constexpr std::uint8_t kVersion = 1;

}  // namespace

void encode(ByteWriter& out, const InodeRecord& r) {
  codec::put(out, r.inode);
  encode(out, r.attributes);
  out.varint(r.links);
  codec::put(out, r.version);
  codec::put(out, r.content_version);
  codec::put(out, r.content);
  out.bytes(r.sealed_target);
  out.bytes(r.sealed_manifest);
  out.u8(r.manifest_left_out ? 1 : 0);
  out.varint(r.xattrs.size());
  for (const SetXattr& x : r.xattrs) {
    codec::put(out, x.token);
    out.bytes(x.sealed);
  }
}

InodeRecord decode_inode_record(ByteReader& in) {
  InodeRecord r;
  codec::get(in, r.inode);
  r.attributes = decode_attributes(in);
  r.links = static_cast<std::uint32_t>(in.varint());
  codec::get(in, r.version);
  codec::get(in, r.content_version);
  codec::get(in, r.content);
  r.sealed_target = to_bytes(in.bytes(kMaxSealedTargetBytes));
  r.sealed_manifest = to_bytes(in.bytes(kMaxCommitBytes));
  r.manifest_left_out = in.u8() != 0;
  std::size_t xattrs = in.count(kMaxStoredXattrs, 33);
  for (std::size_t i = 0; i < xattrs && !in.failed(); ++i) {
    SetXattr x;
    x.inode = r.inode;
    codec::get(in, x.token);
    x.sealed = to_bytes(in.bytes(kMaxSealedXattrBytes));
    r.xattrs.push_back(std::move(x));
  }
  return r;
}

Bytes encode_directory_page(const DirectoryPage& page) {
  ByteWriter out;
  out.u8(kVersion);
  out.u32(page.epoch.value);
  codec::put(out, page.sequence);
  encode(out, page.directory);
  out.varint(page.entries.size());
  for (const ListedEntry& entry : page.entries) {
    out.bytes(entry.sealed_name);
    codec::put(out, entry.token);
    encode(out, entry.inode);
  }
  out.bytes(page.next);
  return out.take();
}

Result<DirectoryPage> decode_directory_page(ByteView bytes) {
  ByteReader in(bytes);
  if (in.u8() != kVersion) return Error(Code::kCorrupt, "directory page of an unknown version");
  DirectoryPage page;
  page.epoch = Epoch{in.u32()};
  codec::get(in, page.sequence);
  page.directory = decode_inode_record(in);
  std::size_t entries = in.count(kMaxListedEntries, 64);
  for (std::size_t i = 0; i < entries && !in.failed(); ++i) {
    ListedEntry entry;
    entry.sealed_name = to_bytes(in.bytes(kMaxSealedNameBytes));
    codec::get(in, entry.token);
    entry.inode = decode_inode_record(in);
    page.entries.push_back(std::move(entry));
  }
  page.next = to_bytes(in.bytes(kMaxCursorBytes));
  TRY(in.finish("directory page"));
  return page;
}

Bytes encode_inode_page(const InodePage& page) {
  ByteWriter out;
  out.u8(kVersion);
  out.u32(page.epoch.value);
  codec::put(out, page.sequence);
  out.varint(page.inodes.size());
  for (const InodeRecord& record : page.inodes) encode(out, record);
  return out.take();
}

Result<InodePage> decode_inode_page(ByteView bytes) {
  ByteReader in(bytes);
  if (in.u8() != kVersion) return Error(Code::kCorrupt, "inode page of an unknown version");
  InodePage page;
  page.epoch = Epoch{in.u32()};
  codec::get(in, page.sequence);
  std::size_t inodes = in.count(kMaxListedEntries, 64);
  for (std::size_t i = 0; i < inodes && !in.failed(); ++i) page.inodes.push_back(decode_inode_record(in));
  TRY(in.finish("inode page"));
  return page;
}

}  // namespace skymoor
