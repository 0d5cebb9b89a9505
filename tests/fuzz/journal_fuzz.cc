// The client's log: records, row changes, segment headers and frames, what was offered; bytes of the disk are not trusted either.
#include "fuse/journal/log/segment.h"
#include "fuse/journal/record.h"
#include "fuse/journal/store/offers.h"
#include "fuse/journal/tables/row_codec.h"
#include "shared/model/change.h"
#include "tests/fuzz/fuzz.h"

namespace skymoor::fuzz {
namespace {

using namespace client;

void try_record(ByteView bytes) {
  auto record = decode_record(bytes);
  if (record.ok())
    check_round_trip(*record, encode_record, [](const Bytes& b) { return decode_record(b); }, "record");
}

Result<std::vector<RowChange>> changes_of(ByteView bytes) {
  ByteReader in(bytes);
  auto changes = decode_changes(in);
  TRY(in.finish("changes"));
  return changes;
}

void try_changes(ByteView bytes) {
  auto changes = changes_of(bytes);
  if (!changes.ok()) return;
  const auto encode = [](const std::vector<RowChange>& list) {
    ByteWriter out;
    encode_changes(out, list);
    return out.take();
  };
  check_round_trip(*changes, encode, [](const Bytes& b) { return changes_of(b); }, "changes");
}

void try_inode_body(ByteView bytes) {
  ByteReader in(bytes);
  const InodeRow row = decode_inode_body(in);
  if (!in.finish("inode").ok()) return;
  ByteWriter out;
  encode_inode_body(out, row);
  ByteReader again(out.view());
  ByteWriter second;
  encode_inode_body(second, decode_inode_body(again));
  check(again.finish("inode").ok() && second.view() == out.view(), "inode row");
}

/// Frames behind each other as a file has them; damage ends the reading, nothing is read past the end.
void try_segment(ByteView bytes) {
  auto header = decode_segment_header(bytes.first(std::min(bytes.size(), kSegmentHeaderBytes)));
  if (header.ok())
    check_round_trip(*header, encode_segment_header, [](const Bytes& b) { return decode_segment_header(b); }, "header");
  if (bytes.size() < kSegmentHeaderBytes) return;  // whoever opens a segment has read its header
  const std::uint32_t seed = frame_seed(bytes.first(kSegmentHeaderBytes));
  MemoryFile file(bytes);
  SegmentReader reader(file, seed, 0, bytes.size());
  for (std::uint64_t at = 0;; at = reader.offset()) {
    auto frame = reader.next();
    check(frame.ok(), "reading memory cannot fail");
    if (!*frame) break;
    check(reader.offset() > at && reader.offset() <= bytes.size(), "frames lie inside the file");
  }
}

/// A frame with the right checksum around any body: it comes back as it is, and every cut of it is seen.
void try_frame(ByteView body) {
  ByteWriter out;
  start_frame(out, {.kind = FrameKind::kRecord, .lsn = Lsn{9}, .transaction = 3, .synced = Lsn{4}});
  out.raw(body);
  seal_frame(out, 77);
  auto frame = parse_frame(out.view(), 77);
  check(frame && frame->lsn == Lsn{9} && frame->synced == Lsn{4} && frame->transaction == 3 &&
            std::equal(frame->body.begin(), frame->body.end(), body.begin(), body.end()),
        "frame");
  check(!parse_frame(ByteView(out.view()).first(out.size() - 1), 77), "a cut frame is none");
  check(!parse_frame(out.view(), 78), "a frame of another segment is none");
  try_record(frame->body);
}

void try_offers(ByteView bytes) {
  auto offers = decode_offers(bytes);
  if (!offers.ok()) return;
  check(offers->listed.size() <= Offers::kMaxListed, "no more than are kept");
  check_round_trip(*offers, encode_offers, [](const Bytes& b) { return decode_offers(b); }, "offers");
}

LogRecord record_with(Intent intent) {
  InodeRow row;
  row.id = make_inode_id(WriterId{2}, 5);
  row.attributes.type = FileType::kFile;
  row.attributes.mode = 0644;
  row.links = 1;
  row.parent = kRootInode;
  DentryRow dentry{kRootInode, "name", row.id, FileType::kFile, 7, {}};
  const Bytes some{1, 2, 3};
  return {Lsn{5}, {}, std::move(intent),
          {PutInode{row}, PutDentry{dentry}, EraseDentry{kRootInode, "old"}, PutXattr{row.id, "user.a", some},
           EraseXattr{row.id, "user.b"}, MarkContent{row.id, {0, 10}, true, true},
           PutManifest{row.id, {WriterId{2}, 4}, some}, MoveContent{row.id, InodeId{9}}, LogData{row.id, 3, some},
           EraseInode{InodeId{8}}}};
}

}  // namespace

void try_input(ByteView input) {
  Choices choices(input);
  switch (choices.below(6)) {
    case 0: return try_record(choices.rest());
    case 1: return try_changes(choices.rest());
    case 2: return try_inode_body(choices.rest());
    case 3: return try_segment(choices.rest());
    case 4: return try_frame(choices.rest());
    default: return try_offers(choices.rest());
  }
}

std::vector<Bytes> seeds() {
  const InodeId inode{9};
  const OpId op{WriterId{2}, 3};
  const std::vector<Intent> intents = {LocalIntent{},
                                       CreateIntent{kRootInode, "name", inode},
                                       LinkIntent{kRootInode, "name", inode, op},
                                       UnlinkIntent{kRootInode, "name", inode, true, op},
                                       RmdirIntent{kRootInode, "name", inode},
                                       RenameIntent{kRootInode, "a", kRootInode, "b", inode, op, inode, op, true, false},
                                       WriteIntent{inode, op},
                                       AttributeIntent{inode, kFieldMode},
                                       XattrIntent{inode, "user.a"}};
  std::vector<Bytes> out;
  for (const auto& intent : intents) out.push_back(with_choice(0, encode_record(record_with(intent))));
  ByteWriter changes;
  encode_changes(changes, record_with(LocalIntent{}).changes);
  out.push_back(with_choice(1, changes.view()));
  ByteWriter body;
  encode_inode_body(body, std::get<PutInode>(record_with(LocalIntent{}).changes[0]).row);
  out.push_back(with_choice(2, body.view()));
  Bytes segment = encode_segment_header({.volume = {}, .writer = WriterId{2}, .first = Lsn{1}, .created = {}});
  const std::uint32_t seed = frame_seed(segment);
  ByteWriter frame;
  start_frame(frame, {.kind = FrameKind::kNote, .lsn = Lsn{5}, .transaction = 1, .synced = {}});
  frame.raw(changes.view());
  seal_frame(frame, seed);
  out.push_back(with_choice(3, segment));
  out.push_back(with_choice(3, frame.view()));
  out.push_back(with_choice(4, encode_record(record_with(WriteIntent{inode, op}))));
  Offers offers;
  offers.floor = Lsn{3};
  offers.add(Lsn{5}, Hash256{{1}}, Lsn{4});
  offers.add(Lsn{9}, Hash256{{2}}, Lsn{4});
  out.push_back(with_choice(5, encode_offers(offers)));
  return out;
}

}  // namespace skymoor::fuzz
