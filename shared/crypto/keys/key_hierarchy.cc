#include "shared/crypto/key_hierarchy.h"

#include "shared/base/clock.h"
#include "shared/crypto/aead.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/keys/labels.h"
#include "shared/crypto/primitives/concat.h"

namespace skymoor::crypto {

namespace {

constexpr std::uint8_t kWrapVersion = 1;
constexpr std::size_t kSeedBytes = 32;

SecretBytes random_seed(Random& random) {
  SecretBytes seed(kSeedBytes);
  random.fill(seed.mutable_view());
  return seed;
}

SecretBytes wrapping_siv_key(ByteView wrapping_key) {
  const SecretBytes key = hkdf_extract(as_bytes(labels::kWrap), wrapping_key);
  return hkdf_expand(key.view(), as_bytes(labels::kWrap), 64);
}

// One byte string for all the words of a wrap; lengths keep two different contexts from spelling the same.
Bytes wrap_words(const WrapContext& context) {
  ByteWriter words;
  words.text(labels::kWrap);
  words.text(context.purpose);
  words.bytes(context.owner);
  words.u32(context.generation);
  words.bytes(context.parent);
  return words.take();
}

SecretBytes derive(const VolumeKey& key, std::string_view label, std::size_t size) {
  ByteWriter info;
  info.text(label);
  info.raw(key.volume.view());
  info.u32(key.epoch);
  return hkdf_expand(key.seed.view(), info.view(), size);
}

}  // namespace

Bytes wrap_key(ByteView wrapping_key, const WrapContext& context, ByteView secret) {
  const SecretBytes key = wrapping_siv_key(wrapping_key);
  return concat({{&kWrapVersion, 1}, siv_seal(key.view(), {wrap_words(context)}, secret)});
}

Result<SecretBytes> unwrap_key(ByteView wrapping_key, const WrapContext& context, ByteView wrapped) {
  if (wrapped.empty() || wrapped[0] != kWrapVersion) return Error(Code::kCorrupt, "wrapped key of unknown version");
  const SecretBytes key = wrapping_siv_key(wrapping_key);
  return siv_open(key.view(), {wrap_words(context)}, wrapped.subspan(1));
}

UserKey UserKey::generate(Random& random) { return {1, random_seed(random)}; }

KeyPair UserKey::sealing_key() const {
  return x25519_from_seed(hkdf_expand(seed.view(), as_bytes(labels::kUserSealing), kSeedBytes).view());
}

KeyPair UserKey::signing_key() const {
  return ed25519_from_seed(hkdf_expand(seed.view(), as_bytes(labels::kUserSigning), kSeedBytes).view());
}

VolumeKey VolumeKey::generate(VolumeId volume, Random& random) { return {volume, 1, random_seed(random)}; }

SecretBytes VolumeKey::block_key() const { return derive(*this, labels::kVolumeBlock, 32); }
SecretBytes VolumeKey::metadata_key() const { return derive(*this, labels::kVolumeMetadata, 64); }
SecretBytes VolumeKey::name_key() const { return derive(*this, labels::kVolumeName, 64); }
SecretBytes VolumeKey::token_key() const { return derive(*this, labels::kVolumeToken, 32); }
SecretBytes VolumeKey::chunker_key() const { return derive(*this, labels::kVolumeChunker, 32); }
SecretBytes VolumeKey::commit_key() const { return derive(*this, labels::kVolumeCommit, 32); }

}  // namespace skymoor::crypto
