#include "shared/crypto/volume_cipher.h"

#include "shared/crypto/aead.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/keys/labels.h"
#include "shared/crypto/primitives/concat.h"

namespace skymoor::crypto {

namespace {

constexpr std::uint8_t kVersion = 1, kNameVersion = 2;
constexpr std::size_t kPaddedTo = 32;
constexpr std::uint8_t kPadMark = 0x80;  // ISO/IEC 7816-4: the mark, then zeros
constexpr std::size_t kMaxXattrName = 255;

// What a seal belongs to. All numbers have a fixed width, so that no two bindings spell the same.
Bytes binding(std::string_view label, const VolumeId& volume, std::uint32_t epoch, InodeId object) {
  ByteWriter words;
  words.text(label);
  words.raw(volume.view());
  words.u32(epoch);
  words.u64(object.value);
  return words.take();
}

Bytes manifest_binding(const VolumeId& volume, std::uint32_t epoch, InodeId inode, OpId op) {
  ByteWriter words;
  words.raw(binding(labels::kManifest, volume, epoch, inode));
  words.u32(op.writer.value);
  words.u64(op.counter);
  return words.take();
}

Bytes name_binding(const VolumeId& volume, std::uint32_t epoch, InodeId directory, InodeId inode) {
  ByteWriter words;
  words.raw(binding(labels::kName, volume, epoch, directory));
  words.u64(inode.value);
  return words.take();
}

Bytes seal(ByteView key, ByteView bound_to, ByteView plaintext, std::uint8_t version = kVersion) {
  return concat({{&version, 1}, siv_seal(key, {bound_to}, plaintext)});
}

Result<SecretBytes> open(ByteView key, ByteView bound_to, ByteView sealed, std::uint8_t version = kVersion) {
  if (sealed.empty() || sealed[0] != version) return Error(Code::kCorrupt, "sealed metadata of unknown version");
  return siv_open(key, {bound_to}, sealed.subspan(1));
}

Bytes seal_padded(ByteView key, ByteView bound_to, std::string_view text, std::uint8_t version = kVersion) {
  Bytes padded = to_bytes(text);
  padded.push_back(kPadMark);
  padded.resize((padded.size() + kPaddedTo - 1) / kPaddedTo * kPaddedTo);
  return seal(key, bound_to, padded, version);
}

Result<std::string> open_padded(ByteView key, ByteView bound_to, ByteView sealed, std::uint8_t version = kVersion) {
  const SecretBytes padded = TRY(open(key, bound_to, sealed, version));
  const std::string_view text = as_text(padded.view());
  const std::size_t mark = text.find_last_not_of('\0');
  if (mark == std::string_view::npos || static_cast<std::uint8_t>(text[mark]) != kPadMark ||
      text.size() % kPaddedTo != 0 || text.size() - mark > kPaddedTo)
    return Error(Code::kCorrupt, "sealed text with bad padding");
  return std::string(text.substr(0, mark));
}

NameToken token(ByteView key, std::string_view label, InodeId object, std::string_view name) {
  ByteWriter words;
  words.text(label);
  words.u64(object.value);
  return NameToken{hmac_sha256(key, {words.view(), as_bytes(name)}).value};
}

}  // namespace

VolumeCipher::VolumeCipher(const VolumeKey& key)
    : volume_(key.volume),
      epoch_(key.epoch),
      metadata_key_(key.metadata_key()),
      name_key_(key.name_key()),
      token_key_(key.token_key()),
      commit_key_(key.commit_key()) {}

NameToken VolumeCipher::name_token(InodeId directory, std::string_view name) const {
  return token(token_key_.view(), labels::kNameToken, directory, name);
}

Bytes VolumeCipher::seal_name(InodeId directory, InodeId inode, std::string_view name) const {
  return seal_padded(name_key_.view(), name_binding(volume_, epoch_, directory, inode), name, kNameVersion);
}

Result<std::string> VolumeCipher::open_name(InodeId directory, InodeId inode, ByteView sealed) const {
  if (!sealed.empty() && sealed[0] == kVersion)
    return open_padded(name_key_.view(), binding(labels::kName, volume_, epoch_, directory), sealed);
  return open_padded(name_key_.view(), name_binding(volume_, epoch_, directory, inode), sealed, kNameVersion);
}

Bytes VolumeCipher::seal_target(InodeId inode, std::string_view target) const {
  return seal_padded(metadata_key_.view(), binding(labels::kTarget, volume_, epoch_, inode), target);
}

Result<std::string> VolumeCipher::open_target(InodeId inode, ByteView sealed) const {
  return open_padded(metadata_key_.view(), binding(labels::kTarget, volume_, epoch_, inode), sealed);
}

NameToken VolumeCipher::xattr_token(InodeId inode, std::string_view name) const {
  return token(token_key_.view(), labels::kXattrToken, inode, name);
}

Bytes VolumeCipher::seal_xattr(InodeId inode, std::string_view name, ByteView value) const {
  ByteWriter plaintext;
  plaintext.text(name);
  plaintext.raw(value);
  return seal(metadata_key_.view(), binding(labels::kXattr, volume_, epoch_, inode), plaintext.view());
}

Result<VolumeCipher::Xattr> VolumeCipher::open_xattr(InodeId inode, ByteView sealed) const {
  const SecretBytes plaintext =
      TRY(open(metadata_key_.view(), binding(labels::kXattr, volume_, epoch_, inode), sealed));
  ByteReader reader(plaintext.view());
  Xattr xattr;
  xattr.name = reader.text(kMaxXattrName);
  xattr.value = to_bytes(reader.raw(reader.remaining()));
  TRY(reader.finish("sealed xattr"));
  return xattr;
}

Bytes VolumeCipher::seal_manifest(InodeId inode, OpId op, ByteView manifest) const {
  return seal(metadata_key_.view(), manifest_binding(volume_, epoch_, inode, op), manifest);
}

Result<Bytes> VolumeCipher::open_manifest(InodeId inode, OpId op, ByteView sealed) const {
  const SecretBytes manifest = TRY(open(metadata_key_.view(), manifest_binding(volume_, epoch_, inode, op), sealed));
  return to_bytes(manifest.view());
}

Hash256 VolumeCipher::commit_proof(ByteView proven) const {
  ByteWriter label;
  label.text(labels::kCommitProof);
  return hmac_sha256(commit_key_.view(), {label.view(), proven});
}

}  // namespace skymoor::crypto
