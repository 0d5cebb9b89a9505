#include "fuse/journal/record.h"

#include "fuse/journal/tables/row_codec.h"

namespace skymoor::client {
namespace {

constexpr std::uint8_t kRecordFormat = 1;

// Numbers of intents. Persistent: never renumbered.
enum class IntentKind : std::uint8_t {
  kLocal = 1,
  kCreate = 2,
  kLink = 3,
  kUnlink = 4,
  kRmdir = 5,
  kRename = 6,
  kWrite = 7,
  kAttribute = 8,
  kXattr = 9,
};
constexpr std::uint8_t kReplacedLast = 1, kExchange = 2;

void put_slot(ByteWriter& out, InodeId directory, const std::string& name, InodeId inode) {
  out.varint(directory.value);
  out.text(name);
  out.varint(inode.value);
}

struct IntentEncoder {
  ByteWriter& out;
  void kind(IntentKind k) { out.u8(static_cast<std::uint8_t>(k)); }
  void operator()(const LocalIntent&) { kind(IntentKind::kLocal); }
  void operator()(const CreateIntent& i) {
    kind(IntentKind::kCreate);
    put_slot(out, i.directory, i.name, i.inode);
  }
  void operator()(const LinkIntent& i) {
    kind(IntentKind::kLink);
    put_slot(out, i.directory, i.name, i.inode);
    put_op(out, i.seen);
  }
  void operator()(const UnlinkIntent& i) {
    kind(IntentKind::kUnlink);
    put_slot(out, i.directory, i.name, i.inode);
    out.u8(i.last);
    put_op(out, i.seen);
  }
  void operator()(const RmdirIntent& i) {
    kind(IntentKind::kRmdir);
    put_slot(out, i.directory, i.name, i.inode);
  }
  void operator()(const RenameIntent& i) {
    kind(IntentKind::kRename);
    put_slot(out, i.from_directory, i.from_name, i.inode);
    out.varint(i.to_directory.value);
    out.text(i.to_name);
    put_op(out, i.seen);
    out.varint(i.replaced.value);
    put_op(out, i.replaced_seen);
    out.u8(static_cast<std::uint8_t>((i.replaced_last ? kReplacedLast : 0) | (i.exchange ? kExchange : 0)));
  }
  void operator()(const WriteIntent& i) {
    kind(IntentKind::kWrite);
    out.varint(i.inode.value);
    put_op(out, i.seen);
  }
  void operator()(const AttributeIntent& i) {
    kind(IntentKind::kAttribute);
    out.varint(i.inode.value);
    out.u8(i.fields);
  }
  void operator()(const XattrIntent& i) {
    kind(IntentKind::kXattr);
    out.varint(i.inode.value);
    out.text(i.name);
  }
};

template <typename T>
void get_slot(ByteReader& in, T& intent) {
  intent.directory = InodeId{in.varint()};
  intent.name = in.text(kMaxNameBytes);
  intent.inode = InodeId{in.varint()};
}

bool get_flag(ByteReader& in) {
  std::uint8_t v = in.u8();
  if (v > 1) in.fail();
  return v == 1;
}

Intent decode_rename(ByteReader& in) {
  RenameIntent i;
  i.from_directory = InodeId{in.varint()};
  i.from_name = in.text(kMaxNameBytes);
  i.inode = InodeId{in.varint()};
  i.to_directory = InodeId{in.varint()};
  i.to_name = in.text(kMaxNameBytes);
  i.seen = get_op(in);
  i.replaced = InodeId{in.varint()};
  i.replaced_seen = get_op(in);
  std::uint8_t flags = in.u8();
  if (flags > (kReplacedLast | kExchange)) in.fail();
  i.replaced_last = flags & kReplacedLast;
  i.exchange = flags & kExchange;
  return i;
}

template <typename T>
T decode_slot(ByteReader& in) {
  T intent;
  get_slot(in, intent);
  return intent;
}

Intent decode_intent(ByteReader& in) {
  switch (static_cast<IntentKind>(in.u8())) {
    case IntentKind::kLocal: return LocalIntent{};
    case IntentKind::kCreate: return decode_slot<CreateIntent>(in);
    case IntentKind::kLink: {
      auto i = decode_slot<LinkIntent>(in);
      i.seen = get_op(in);
      return i;
    }
    case IntentKind::kUnlink: {
      auto i = decode_slot<UnlinkIntent>(in);
      i.last = get_flag(in);
      i.seen = get_op(in);
      return i;
    }
    case IntentKind::kRmdir: return decode_slot<RmdirIntent>(in);
    case IntentKind::kRename: return decode_rename(in);
    case IntentKind::kWrite: {
      WriteIntent i;
      i.inode = InodeId{in.varint()};
      i.seen = get_op(in);
      return i;
    }
    case IntentKind::kAttribute: {
      AttributeIntent i;
      i.inode = InodeId{in.varint()};
      i.fields = in.u8();
      return i;
    }
    case IntentKind::kXattr: {
      XattrIntent i;
      i.inode = InodeId{in.varint()};
      i.name = in.text(kMaxXattrNameBytes);
      return i;
    }
  }
  in.fail();
  return LocalIntent{};
}

// `changed` is not written: it is the record's own lsn by rule.
void stamp(LogRecord& record) {
  for (RowChange& change : record.changes) {
    if (auto* inode = std::get_if<PutInode>(&change)) inode->row.changed = record.lsn;
    if (auto* dentry = std::get_if<PutDentry>(&change)) dentry->row.changed = record.lsn;
  }
}

}  // namespace

void encode_record_to(ByteWriter& out, const LogRecord& record) {
  out.u8(kRecordFormat);
  out.varint(record.lsn.value);
  put_time(out, record.time);
  std::visit(IntentEncoder{out}, record.intent);
  encode_changes(out, record.changes);
}

Bytes encode_record(const LogRecord& record) {
  ByteWriter out;
  encode_record_to(out, record);
  return out.take();
}

Result<LogRecord> decode_record(ByteView bytes) {
  ByteReader in(bytes);
  LogRecord record;
  if (in.u8() != kRecordFormat) in.fail();
  record.lsn = Lsn{in.varint()};
  record.time = get_time(in);
  record.intent = decode_intent(in);
  record.changes = decode_changes(in);
  TRY(in.finish("log record"));
  stamp(record);
  return record;
}

}  // namespace skymoor::client
