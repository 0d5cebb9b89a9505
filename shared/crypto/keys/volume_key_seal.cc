#include "shared/base/clock.h"
#include "shared/crypto/key_hierarchy.h"
#include "shared/crypto/keys/labels.h"
#include "shared/crypto/primitives/concat.h"

namespace skymoor::crypto {

namespace {

constexpr std::uint8_t kSealVersion = 2;
constexpr std::uint8_t kUnsignedVersion = 1;
constexpr std::size_t kSeedBytes = 32;

Bytes bound_to(VolumeId volume, std::uint32_t epoch) {
  ByteWriter words;
  words.raw(volume.view());
  words.u32(epoch);
  return words.take();
}

// What the giver signs: for whom it is, and the bytes that only that user can open.
Bytes given(VolumeId volume, std::uint32_t epoch, const PublicKey& member, ByteView sealed) {
  ByteWriter words;
  words.text(labels::kVolumeKeyGiven);
  words.raw(bound_to(volume, epoch));
  words.raw(member);
  words.raw(sealed);
  return words.take();
}

}  // namespace

Bytes seal_volume_key(const VolumeKey& key, const PublicKey& member, const KeyPair& giver, Random& random) {
  const Bytes sealed =
      hpke_seal(member, as_bytes(labels::kVolumeKeySeal), bound_to(key.volume, key.epoch), key.seed.view(), random);
  if (sealed.empty()) return {};
  return concat({{&kSealVersion, 1}, sealed, ed25519_sign(giver, given(key.volume, key.epoch, member, sealed))});
}

Result<VolumeKey> open_volume_key(VolumeId volume, std::uint32_t epoch, const KeyPair& member, const PublicKey& giver,
                                  ByteView sealed) {
  if (!sealed.empty() && sealed[0] == kUnsignedVersion)
    return Error(Code::kBadSignature, "sealed volume key that nobody signed, as older programs made them");
  if (sealed.empty() || sealed[0] != kSealVersion) return Error(Code::kCorrupt, "sealed volume key of unknown version");
  const std::size_t signature = std::tuple_size_v<Signature>;
  if (sealed.size() < 1 + signature) return Error(Code::kCorrupt, "sealed volume key of wrong size");
  const ByteView inner = sealed.subspan(1, sealed.size() - 1 - signature);
  if (!ed25519_verify(giver, given(volume, epoch, member.public_key, inner), sealed.last(signature)))
    return Error(Code::kBadSignature, "sealed volume key that the volume's owner did not sign");
  SecretBytes seed = TRY(hpke_open(member, as_bytes(labels::kVolumeKeySeal), bound_to(volume, epoch), inner));
  if (seed.size() != kSeedBytes) return Error(Code::kCorrupt, "volume key of wrong size");
  return VolumeKey{volume, epoch, std::move(seed)};
}

}  // namespace skymoor::crypto
