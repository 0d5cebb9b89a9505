#include "shared/model/change.h"

#include "shared/model/codec.h"

namespace skymoor {
namespace {

// Commits are of version 1, or 2 with Commit::restored; with a key proof at their end, of 3 and 4.
constexpr std::uint8_t kLastCommitVersion = 4;
constexpr std::uint8_t kProven = 2;                   // added to the version
constexpr bool has_restored(std::uint8_t version) { return version % 2 == 0; }
constexpr bool has_proof(std::uint8_t version) { return version > kProven; }
constexpr std::uint8_t version_of(const Commit& c) {
  return static_cast<std::uint8_t>((c.restored ? 2 : 1) + (c.key_proof ? kProven : 0));
}
constexpr std::uint8_t kFeedVersion = 1;
constexpr std::size_t kMaxBlocksPerPut = kMaxCommitBytes / 32;
enum class Kind : std::uint8_t { kNew = 1, kLink = 2, kUnlink = 3, kPut = 4, kAttributes = 5, kXattr = 6 };

void put_kind(ByteWriter& out, Kind kind) { out.u8(static_cast<std::uint8_t>(kind)); }

void encode_effect(ByteWriter& out, const NewInode& e) {
  put_kind(out, Kind::kNew);
  codec::put(out, e.inode);
  encode(out, e.attributes);
  out.bytes(e.sealed_target);
}
void encode_effect(ByteWriter& out, const LinkName& e) {
  put_kind(out, Kind::kLink);
  codec::put(out, e.directory);
  codec::put(out, e.token);
  out.bytes(e.sealed_name);
  codec::put(out, e.inode);
}
void encode_effect(ByteWriter& out, const UnlinkName& e) {
  put_kind(out, Kind::kUnlink);
  codec::put(out, e.directory);
  codec::put(out, e.token);
  codec::put(out, e.inode);
}
void encode_effect(ByteWriter& out, const PutContent& e) {
  put_kind(out, Kind::kPut);
  codec::put(out, e.inode);
  codec::put(out, e.content);
  out.varint(e.size);
  codec::put(out, e.mtime);
  codec::put(out, e.ctime);
  out.bytes(e.sealed_manifest);
  out.varint(e.blocks.size());
  for (const BlockId& id : e.blocks) codec::put(out, id);
}
void encode_effect(ByteWriter& out, const SetAttributes& e) {
  put_kind(out, Kind::kAttributes);
  codec::put(out, e.inode);
  out.u8(e.fields);
  encode(out, e.values);
}
void encode_effect(ByteWriter& out, const SetXattr& e) {
  put_kind(out, Kind::kXattr);
  codec::put(out, e.inode);
  codec::put(out, e.token);
  out.bytes(e.sealed);
}

Effect decode_effect(ByteReader& in) {
  switch (static_cast<Kind>(in.u8())) {
    case Kind::kNew: {
      NewInode e;
      codec::get(in, e.inode);
      e.attributes = decode_attributes(in);
      e.sealed_target = to_bytes(in.bytes(kMaxSealedTargetBytes));
      return e;
    }
    case Kind::kLink: {
      LinkName e;
      codec::get(in, e.directory);
      codec::get(in, e.token);
      e.sealed_name = to_bytes(in.bytes(kMaxSealedNameBytes));
      codec::get(in, e.inode);
      return e;
    }
    case Kind::kUnlink: {
      UnlinkName e;
      codec::get(in, e.directory);
      codec::get(in, e.token);
      codec::get(in, e.inode);
      return e;
    }
    case Kind::kPut: {
      PutContent e;
      codec::get(in, e.inode);
      codec::get(in, e.content);
      e.size = in.varint();
      if (e.size > kMaxFileBytes) in.fail();
      codec::get(in, e.mtime);
      codec::get(in, e.ctime);
      e.sealed_manifest = to_bytes(in.bytes(kMaxCommitBytes));
      e.blocks.resize(in.count(kMaxBlocksPerPut, 32));
      for (BlockId& id : e.blocks) codec::get(in, id);
      return e;
    }
    case Kind::kAttributes: {
      SetAttributes e;
      codec::get(in, e.inode);
      e.fields = in.u8();
      if (e.fields == 0 || e.fields > 63) in.fail();
      e.values = decode_attributes(in);
      return e;
    }
    case Kind::kXattr: {
      SetXattr e;
      codec::get(in, e.inode);
      codec::get(in, e.token);
      e.sealed = to_bytes(in.bytes(kMaxSealedXattrBytes));
      return e;
    }
  }
  in.fail();
  return NewInode{};
}

void encode_restored(ByteWriter& out, const Restored& restored) {
  out.u32(restored.epoch.value);
  out.varint(restored.states.size());
  for (const Restored::State& state : restored.states) {
    codec::put(out, state.inode);
    codec::put(out, state.version);
  }
}

Restored decode_restored(ByteReader& in) {
  Restored restored{Epoch{in.u32()}, {}};
  restored.states.resize(in.count(kMaxRestoredStates, 16));
  for (Restored::State& state : restored.states) {
    codec::get(in, state.inode);
    codec::get(in, state.version);
  }
  return restored;
}

}  // namespace

Bytes encode_commit(const Commit& c) {
  ByteWriter out;
  out.u8(version_of(c));
  codec::put(out, c.volume);
  out.u32(c.epoch.value);
  codec::put(out, c.device);
  codec::put(out, c.op);
  codec::put(out, c.base);
  codec::put(out, c.base_hash);
  codec::put(out, c.time);
  out.varint(c.reads.size());
  for (const ReadRef& ref : c.reads) {
    out.u8(static_cast<std::uint8_t>(ref.kind));
    codec::put(out, ref.inode);
    if (ref.kind == ReadKind::kSlot) codec::put(out, ref.token);
  }
  out.varint(c.effects.size());
  for (const Effect& effect : c.effects) std::visit([&](const auto& e) { encode_effect(out, e); }, effect);
  if (c.restored) encode_restored(out, *c.restored);
  if (c.key_proof) codec::put(out, *c.key_proof);
  return out.take();
}

ByteView proven_part(ByteView payload) {
  const std::size_t proof = sizeof(Hash256::value);
  return payload.size() < proof ? ByteView() : payload.first(payload.size() - proof);
}

Result<Commit> decode_commit(ByteView payload) {
  if (payload.size() > kMaxCommitBytes) return Error(Code::kTooLarge, "commit larger than 8 MiB");
  ByteReader in(payload);
  const std::uint8_t version = in.u8();
  if (version == 0 || version > kLastCommitVersion)
    return Error(Code::kInvalidArgument, "commit of an unknown version");
  Commit c;
  codec::get(in, c.volume);
  c.epoch = Epoch{in.u32()};
  codec::get(in, c.device);
  codec::get(in, c.op);
  codec::get(in, c.base);
  codec::get(in, c.base_hash);
  codec::get(in, c.time);
  c.reads.resize(in.count(kMaxCommitReads, 9));
  for (ReadRef& ref : c.reads) {
    std::uint8_t kind = in.u8();
    if (kind < 1 || kind > 3) in.fail();
    ref.kind = static_cast<ReadKind>(kind);
    codec::get(in, ref.inode);
    if (ref.kind == ReadKind::kSlot) codec::get(in, ref.token);
  }
  std::size_t effects = in.count(kMaxCommitEffects, 10);
  for (std::size_t i = 0; i < effects && !in.failed(); ++i) c.effects.push_back(decode_effect(in));
  if (has_restored(version)) c.restored = decode_restored(in);
  if (has_proof(version)) codec::get(in, c.key_proof.emplace());
  if (Status done = in.finish("commit"); !done.ok()) return Error(Code::kInvalidArgument, done.error().message());
  return c;
}

Bytes commit_signing_input(ByteView payload) {
  static constexpr std::string_view kLabel("skymoor commit 1\0", 17);
  Bytes out = to_bytes(kLabel);
  append(out, payload);
  return out;
}

Bytes ahead_signing_input(const VolumeId& volume, Epoch epoch, Sequence sequence, const Hash256& hash) {
  static constexpr std::string_view kLabel("skymoor ahead 1\0", 16);
  ByteWriter out;
  out.raw(as_bytes(kLabel));
  codec::put(out, volume);
  out.u32(epoch.value);
  codec::put(out, sequence);
  codec::put(out, hash);
  return out.take();
}

Bytes encode_signed_commit(const SignedCommit& commit) {
  ByteWriter out;
  out.bytes(commit.payload);
  out.raw(commit.signature);
  return out.take();
}

namespace {
SignedCommit read_signed_commit(ByteReader& in) {
  SignedCommit commit;
  commit.payload = to_bytes(in.bytes(kMaxCommitBytes));
  ByteView signature = in.raw(commit.signature.size());
  std::copy(signature.begin(), signature.end(), commit.signature.begin());
  return commit;
}
}  // namespace

Result<SignedCommit> decode_signed_commit(ByteView bytes) {
  ByteReader in(bytes);
  SignedCommit commit = read_signed_commit(in);
  if (Status done = in.finish("signed commit"); !done.ok())
    return Error(Code::kInvalidArgument, done.error().message());
  return commit;
}

Bytes encode_feed_page(const FeedPage& page) {
  ByteWriter out;
  out.u8(kFeedVersion);
  out.u32(page.epoch.value);
  codec::put(out, page.head);
  out.varint(page.entries.size());
  for (const FeedEntry& entry : page.entries) {
    codec::put(out, entry.sequence);
    codec::put(out, entry.hash);
    out.bytes(entry.commit.payload);
    out.raw(entry.commit.signature);
  }
  return out.take();
}

Result<FeedPage> decode_feed_page(ByteView bytes) {
  ByteReader in(bytes);
  if (in.u8() != kFeedVersion) return Error(Code::kCorrupt, "feed page of an unknown version");
  FeedPage page;
  page.epoch = Epoch{in.u32()};
  codec::get(in, page.head);
  std::size_t entries = in.count(1u << 20, 105);
  for (std::size_t i = 0; i < entries && !in.failed(); ++i) {
    FeedEntry entry;
    codec::get(in, entry.sequence);
    codec::get(in, entry.hash);
    entry.commit = read_signed_commit(in);
    page.entries.push_back(std::move(entry));
  }
  TRY(in.finish("feed page"));
  return page;
}

}  // namespace skymoor
