// Manifests, extents, commits, feed pages, listings and pages of the past: what a server or another device may hand out.
#include "shared/model/change.h"
#include "shared/model/extents.h"
#include "shared/model/history.h"
#include "shared/model/listing.h"
#include "shared/model/manifest.h"
#include "tests/fuzz/fuzz.h"

namespace skymoor::fuzz {
namespace {

template <typename Encode, typename Decode>
void try_format(ByteView bytes, Encode encode, Decode decode, const char* what) {
  auto value = decode(bytes);
  if (value.ok()) check_round_trip(*value, encode, [&](const Bytes& b) { return decode(ByteView(b)); }, what);
}

Commit some_commit(bool proven = false) {
  Commit commit;
  if (proven) commit.key_proof = Hash256{{7}};
  commit.op = {WriterId{3}, 9};
  commit.base = Sequence{4};
  const InodeId inode = make_inode_id(WriterId{3}, 7);
  commit.reads = {{ReadKind::kSlot, kRootInode, {}}, {ReadKind::kInode, inode, {}}, {ReadKind::kChildren, kRootInode, {}}};
  Attributes link{.type = FileType::kSymlink, .mode = 0777, .size = 3};
  SetAttributes times{.inode = inode, .fields = kFieldMode | kFieldMtime, .values = {.mode = 0640}};
  commit.effects = {NewInode{inode, link, Bytes(32, 1)}, LinkName{kRootInode, {}, Bytes(48, 2), inode},
                    UnlinkName{kRootInode, {}, inode},
                    PutContent{inode, commit.op, 5, {}, {}, Bytes(40, 3), {BlockId{{1}}, BlockId{{2}}}}, times,
                    SetXattr{inode, {}, Bytes(30, 4)}};
  return commit;
}

InodeRecord some_inode() {
  InodeRecord record;
  record.inode = InodeId{77};
  record.attributes.type = FileType::kFile;
  record.attributes.mode = 0644;
  record.links = 1;
  record.sealed_manifest = Bytes(20, 5);
  record.xattrs = {{InodeId{77}, {}, Bytes(20, 6)}};
  return record;
}

}  // namespace

void try_input(ByteView input) {
  Choices choices(input);
  const unsigned format = choices.below(9);
  const ByteView bytes = choices.rest();
  switch (format) {
    case 0: return try_format(bytes, encode_manifest, decode_manifest, "manifest");
    case 1: return try_format(bytes, encode_extents, decode_extents, "extents");
    case 2: return try_format(bytes, encode_commit, decode_commit, "commit");
    case 3: return try_format(bytes, encode_signed_commit, decode_signed_commit, "signed commit");
    case 4: return try_format(bytes, encode_feed_page, decode_feed_page, "feed page");
    case 5: return try_format(bytes, encode_directory_page, decode_directory_page, "directory page");
    case 6: return try_format(bytes, encode_inode_page, decode_inode_page, "inode page");
    case 7: return try_format(bytes, encode_version_page, decode_version_page, "version page");
    default: return try_format(bytes, encode_trash_page, decode_trash_page, "trash page");
  }
}

std::vector<Bytes> seeds() {
  Manifest small{.size = 3, .inline_data = {1, 2, 3}, .chunks = {}};
  Manifest large{.size = 9000, .inline_data = {}, .chunks = {}};
  large.chunks = {{.length = 5000, .block = BlockId{{1}}, .key = {2}, .stored_bytes = 5022}, {.length = 4000}};
  ExtentSet extents;
  extents.add({0, 10});
  extents.add({4096, 8192});
  const SignedCommit signed_commit{encode_commit(some_commit()), {}};
  FeedPage feed{Epoch{1}, Sequence{5}, {{Sequence{5}, {}, signed_commit}}};
  DirectoryPage page;
  page.directory = some_inode();
  page.directory.attributes.type = FileType::kDirectory;
  page.entries = {{Bytes(48, 1), {}, some_inode()}};
  page.next = Bytes(8, 9);
  InodePage inodes{Epoch{1}, Sequence{5}, {some_inode()}};
  VersionPage versions{Epoch{1}, Sequence{9}, some_inode(),
                       {{Sequence{8}, {WriterId{3}, 7}, DeviceId{{1}}, 5000, {}, {}}, {Sequence{4}, {WriterId{2}, 3}, {}, 0, {}, {}}},
                       Sequence{4}};
  TrashPage trash{Epoch{1}, Sequence{9}, {{{}, Bytes(48, 1), Sequence{7}, {}, some_inode()}}, Bytes(8, 9)};
  return {with_choice(0, encode_manifest(small)),        with_choice(0, encode_manifest(large)),
          with_choice(1, encode_extents(extents)),       with_choice(2, encode_commit(some_commit())),
          with_choice(2, encode_commit(some_commit(true))),
          with_choice(3, encode_signed_commit(signed_commit)), with_choice(4, encode_feed_page(feed)),
          with_choice(5, encode_directory_page(page)),   with_choice(6, encode_inode_page(inodes)),
          with_choice(7, encode_version_page(versions)), with_choice(8, encode_trash_page(trash))};
}

}  // namespace skymoor::fuzz
