// Effects, commits and the change feed: what a device tells the server, and the server every other device.
#pragma once
#include <array>
#include <optional>
#include <variant>
#include <vector>

#include "shared/base/ids.h"
#include "shared/model/attributes.h"

namespace skymoor {

// Effects: the only things that change a volume. Names, targets, xattrs and manifests are sealed by the device; the
// server sees ids, attributes, sizes and block ids.

/// A new inode, without a link so far.
struct NewInode {
  InodeId inode;
  Attributes attributes;
  Bytes sealed_target;  ///< symlinks
};
/// An entry in a directory whose slot must be free.
struct LinkName {
  InodeId directory;
  NameToken token;
  Bytes sealed_name;
  InodeId inode;
};
struct UnlinkName {
  InodeId directory;
  NameToken token;
  InodeId inode;  ///< what the slot must hold
};
/// A new version of a file's content. Also sets size, mtime and ctime.
struct PutContent {
  InodeId inode;
  OpId content;                 ///< names this content for ever; chosen by the device that made it
  std::uint64_t size = 0;
  Timestamp mtime{}, ctime{};
  Bytes sealed_manifest;
  std::vector<BlockId> blocks;  ///< every block the manifest names, once each
};
/// Which fields of SetAttributes count. Wire bits.
enum AttributeField : std::uint8_t {
  kFieldMode = 1,
  kFieldUid = 2,
  kFieldGid = 4,
  kFieldAtime = 8,
  kFieldMtime = 16,
  kFieldCtime = 32,
};
struct SetAttributes {
  InodeId inode;
  std::uint8_t fields = 0;
  Attributes values;
};
/// `sealed` empty: the xattr is removed.
struct SetXattr {
  InodeId inode;
  NameToken token;
  Bytes sealed;
};
using Effect = std::variant<NewInode, LinkName, UnlinkName, PutContent, SetAttributes, SetXattr>;

/// An object whose version the server compares with the commit's base sequence: changed since, and the commit is
/// refused. Wire numbers.
enum class ReadKind : std::uint8_t {
  kSlot = 1,      ///< dentry slot (directory, token), present or absent
  kInode = 2,     ///< content version and liveness
  kChildren = 3,  ///< child set of a directory (rmdir)
};
struct ReadRef {
  ReadKind kind = ReadKind::kInode;
  InodeId inode;    ///< the directory for kSlot and kChildren
  NameToken token;  ///< kSlot
  friend auto operator<=>(const ReadRef&, const ReadRef&) = default;
};

/// What a commit gives back to a server that was put back from an older backup: states of inodes from the epoch that
/// ended. Other devices tell from it which of two states is the newer one.
struct Restored {
  Epoch epoch;            ///< the one that ended, as the device knew it
  struct State {
    InodeId inode;
    Sequence version;     ///< that epoch's sequence up to which the inode's history is in; 0: not all of it is in
    friend auto operator<=>(const State&, const State&) = default;
  };
  std::vector<State> states;
};

/// One batch of a device's history, applied whole or refused whole.
struct Commit {
  VolumeId volume;
  Epoch epoch{1};
  DeviceId device;
  OpId op;
  Sequence base;        ///< the device's view when it planned
  Hash256 base_hash;    ///< chain hash at `base`
  Timestamp time{};     ///< the device's clock, for people
  std::vector<ReadRef> reads;
  std::vector<Effect> effects;
  std::optional<Restored> restored;
  /// Made with the volume's key, which the server does not have, over all of the payload that comes before it. The server
  /// can tell only whether it is there; commits of versions 1 and 2 had none.
  std::optional<Hash256> key_proof;
};

inline constexpr std::size_t kMaxCommitBytes = 8u << 20;
inline constexpr std::size_t kMaxCommitEffects = 10000;
inline constexpr std::size_t kMaxCommitReads = 40000;
inline constexpr std::size_t kMaxRestoredStates = 20000;
inline constexpr std::size_t kMaxSealedNameBytes = 512;
inline constexpr std::size_t kMaxSealedTargetBytes = 4608;
inline constexpr std::size_t kMaxSealedXattrBytes = 66 * 1024;

/// The payload: the exact bytes that are signed, hashed into the chain, stored and handed on.
Bytes encode_commit(const Commit& commit);
/// Errors: InvalidArgument (malformed), TooLarge (limits above).
Result<Commit> decode_commit(ByteView payload);
/// What the key proof of a payload covers: all but the proof. Nothing if the payload is too short for one.
ByteView proven_part(ByteView payload);

using SignatureBytes = std::array<std::uint8_t, 64>;
/// What a device signs to say that it has seen more of a volume's history than the server has: the chain hash that it
/// knows at a sequence.
Bytes ahead_signing_input(const VolumeId& volume, Epoch epoch, Sequence sequence, const Hash256& hash);
/// A payload with the device's Ed25519 signature over "skymoor commit 1\0" | payload.
struct SignedCommit {
  Bytes payload;
  SignatureBytes signature{};
};
/// What is signed.
Bytes commit_signing_input(ByteView payload);
Bytes encode_signed_commit(const SignedCommit& commit);
Result<SignedCommit> decode_signed_commit(ByteView bytes);

/// One applied commit as the feed hands it out. hash = SHA-256(previous hash | payload | signature), 32 zero bytes
/// before the first.
struct FeedEntry {
  Sequence sequence;
  Hash256 hash;
  SignedCommit commit;
};
/// A page of the feed after a cursor, in order and without gaps; `head` is the volume's newest sequence.
struct FeedPage {
  Epoch epoch{1};
  Sequence head;
  std::vector<FeedEntry> entries;
};
Bytes encode_feed_page(const FeedPage& page);
Result<FeedPage> decode_feed_page(ByteView bytes);

}  // namespace skymoor
