#include "fuse/journal/tables/row_codec.h"

namespace skymoor::client {
namespace {

// Flags of an inode's body. Persistent.
constexpr std::uint8_t kInodeVersionMask = 0x0f;
constexpr std::uint8_t kInodeFormat = 1;
constexpr std::uint8_t kFlagListed = 0x10;
constexpr std::uint8_t kFlagXattrs = 0x20;
constexpr std::uint8_t kFlagTarget = 0x40;

// Numbers of row changes. Persistent: never renumbered.
enum class ChangeKind : std::uint8_t {
  kPutInode = 1,
  kEraseInode = 2,
  kPutDentry = 3,
  kEraseDentry = 4,
  kPutXattr = 5,
  kEraseXattr = 6,
  kMarkContent = 7,
  kPutManifest = 8,
  kMoveContent = 9,
  kLogData = 10,
};

constexpr std::size_t kMaxChanges = kMaxRecordBytes;
constexpr std::uint8_t kMarkValid = 1, kMarkDirty = 2;

void kind(ByteWriter& out, ChangeKind k) { out.u8(static_cast<std::uint8_t>(k)); }

struct ChangeEncoder {
  ByteWriter& out;
  void operator()(const PutInode& c) {
    kind(out, ChangeKind::kPutInode);
    encode_inode(out, c.row);
  }
  void operator()(const EraseInode& c) {
    kind(out, ChangeKind::kEraseInode);
    out.varint(c.inode.value);
  }
  void operator()(const PutDentry& c) {
    kind(out, ChangeKind::kPutDentry);
    encode_dentry(out, c.row);
  }
  void operator()(const EraseDentry& c) {
    kind(out, ChangeKind::kEraseDentry);
    out.varint(c.directory.value);
    out.text(c.name);
  }
  void operator()(const PutXattr& c) {
    kind(out, ChangeKind::kPutXattr);
    out.varint(c.inode.value);
    out.text(c.name);
    out.bytes(c.value);
  }
  void operator()(const EraseXattr& c) {
    kind(out, ChangeKind::kEraseXattr);
    out.varint(c.inode.value);
    out.text(c.name);
  }
  void operator()(const MarkContent& c) {
    kind(out, ChangeKind::kMarkContent);
    out.varint(c.inode.value);
    out.varint(c.extent.begin);
    out.varint(c.extent.end);
    out.u8(static_cast<std::uint8_t>((c.valid ? kMarkValid : 0) | (c.dirty ? kMarkDirty : 0)));
  }
  void operator()(const PutManifest& c) {
    kind(out, ChangeKind::kPutManifest);
    out.varint(c.inode.value);
    put_op(out, c.content);
    out.bytes(c.manifest);
  }
  void operator()(const MoveContent& c) {
    kind(out, ChangeKind::kMoveContent);
    out.varint(c.from.value);
    out.varint(c.to.value);
  }
  void operator()(const LogData& c) {
    kind(out, ChangeKind::kLogData);
    out.varint(c.inode.value);
    out.varint(c.offset);
    out.bytes(c.bytes);
  }
};

InodeId get_inode_id(ByteReader& in) { return InodeId{in.varint()}; }

RowChange decode_mark(ByteReader& in) {
  MarkContent c;
  c.inode = get_inode_id(in);
  c.extent.begin = in.varint();
  c.extent.end = in.varint();
  std::uint8_t flags = in.u8();
  if (flags > (kMarkValid | kMarkDirty) || c.extent.begin > c.extent.end) in.fail();
  c.valid = flags & kMarkValid;
  c.dirty = flags & kMarkDirty;
  return c;
}

// Fields are read in statements of their own: the order of evaluation inside a braced aggregate is left to right, but
// a reader should not have to know.
RowChange decode_change(ByteReader& in) {
  switch (static_cast<ChangeKind>(in.u8())) {
    case ChangeKind::kPutInode: return PutInode{decode_inode(in)};
    case ChangeKind::kEraseInode: return EraseInode{get_inode_id(in)};
    case ChangeKind::kPutDentry: return PutDentry{decode_dentry(in)};
    case ChangeKind::kEraseDentry: {
      InodeId directory = get_inode_id(in);
      return EraseDentry{directory, in.text(kMaxNameBytes)};
    }
    case ChangeKind::kPutXattr: {
      PutXattr c;
      c.inode = get_inode_id(in);
      c.name = in.text(kMaxXattrNameBytes);
      c.value = to_bytes(in.bytes(kMaxXattrValueBytes));
      return c;
    }
    case ChangeKind::kEraseXattr: {
      InodeId inode = get_inode_id(in);
      return EraseXattr{inode, in.text(kMaxXattrNameBytes)};
    }
    case ChangeKind::kMarkContent: return decode_mark(in);
    case ChangeKind::kPutManifest: {
      PutManifest c;
      c.inode = get_inode_id(in);
      c.content = get_op(in);
      c.manifest = to_bytes(in.bytes(kMaxManifestBytes));
      return c;
    }
    case ChangeKind::kMoveContent: {
      InodeId from = get_inode_id(in);
      return MoveContent{from, get_inode_id(in)};
    }
    case ChangeKind::kLogData: {
      LogData c;
      c.inode = get_inode_id(in);
      c.offset = in.varint();
      c.bytes = to_bytes(in.bytes(kMaxRecordBytes));
      return c;
    }
  }
  in.fail();
  return EraseInode{};
}

}  // namespace

void put_op(ByteWriter& out, const OpId& op) {
  out.varint(op.writer.value);
  out.varint(op.counter);
}

OpId get_op(ByteReader& in) {
  OpId op;
  std::uint64_t writer = in.varint();
  if (writer > 0xffffffffu) in.fail();
  op.writer = WriterId{static_cast<std::uint32_t>(writer)};
  op.counter = in.varint();
  return op;
}

// Eight fixed bytes: nanoseconds since 1970 take nine as a varint.
void put_time(ByteWriter& out, Timestamp time) { out.i64(time.time_since_epoch().count()); }
Timestamp get_time(ByteReader& in) { return Timestamp{std::chrono::nanoseconds{in.i64()}}; }

void encode_inode_body(ByteWriter& out, const InodeRow& row) {
  out.u8(static_cast<std::uint8_t>(kInodeFormat | (row.listed ? kFlagListed : 0) | (row.has_xattrs ? kFlagXattrs : 0) |
                                   (row.target.empty() ? 0 : kFlagTarget)));
  const Attributes& a = row.attributes;
  out.u8(static_cast<std::uint8_t>(a.type));
  out.varint(a.mode);
  out.varint(a.uid);
  out.varint(a.gid);
  out.varint(a.rdev);
  out.varint(a.size);
  put_time(out, a.atime);
  put_time(out, a.mtime);
  put_time(out, a.ctime);
  put_time(out, a.btime);
  out.varint(row.links);
  out.varint(row.parent.value);
  put_op(out, row.content);
  out.varint(row.version.value);
  if (!row.target.empty()) out.text(row.target);
}

InodeRow decode_inode_body(ByteReader& in) {
  InodeRow row;
  std::uint8_t flags = in.u8();
  if ((flags & kInodeVersionMask) != kInodeFormat || (flags & 0x80)) in.fail();
  row.listed = flags & kFlagListed;
  row.has_xattrs = flags & kFlagXattrs;
  Attributes& a = row.attributes;
  std::uint8_t type = in.u8();
  if (type < 1 || type > 7) in.fail();
  a.type = static_cast<FileType>(type);
  a.mode = static_cast<std::uint32_t>(in.varint());
  a.uid = static_cast<std::uint32_t>(in.varint());
  a.gid = static_cast<std::uint32_t>(in.varint());
  a.rdev = in.varint();
  a.size = in.varint();
  a.atime = get_time(in);
  a.mtime = get_time(in);
  a.ctime = get_time(in);
  a.btime = get_time(in);
  row.links = static_cast<std::uint32_t>(in.varint());
  row.parent = InodeId{in.varint()};
  row.content = get_op(in);
  row.version = Sequence{in.varint()};
  if (flags & kFlagTarget) row.target = in.text(kMaxTargetBytes);
  return row;
}

void encode_inode(ByteWriter& out, const InodeRow& row) {
  out.varint(row.id.value);
  encode_inode_body(out, row);
}

InodeRow decode_inode(ByteReader& in) {
  InodeId id{in.varint()};
  InodeRow row = decode_inode_body(in);
  row.id = id;
  return row;
}

void encode_dentry(ByteWriter& out, const DentryRow& row) {
  out.varint(row.directory.value);
  out.text(row.name);
  out.varint(row.inode.value);
  out.u8(static_cast<std::uint8_t>(row.type));
  out.varint(row.cookie);
}

DentryRow decode_dentry(ByteReader& in) {
  DentryRow row;
  row.directory = InodeId{in.varint()};
  row.name = in.text(kMaxNameBytes);
  row.inode = InodeId{in.varint()};
  std::uint8_t type = in.u8();
  if (type < 1 || type > 7) in.fail();
  row.type = static_cast<FileType>(type);
  row.cookie = in.varint();
  return row;
}

void encode_changes(ByteWriter& out, const std::vector<RowChange>& changes) {
  out.varint(changes.size());
  for (const RowChange& change : changes) std::visit(ChangeEncoder{out}, change);
}

std::vector<RowChange> decode_changes(ByteReader& in) {
  std::vector<RowChange> changes;
  std::size_t count = in.count(kMaxChanges, 2);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) changes.push_back(decode_change(in));
  return changes;
}

}  // namespace skymoor::client
