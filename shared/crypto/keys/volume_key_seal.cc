#include "shared/base/clock.h"
#include "shared/crypto/key_hierarchy.h"
#include "shared/crypto/keys/labels.h"
#include "shared/crypto/primitives/concat.h"

namespace skymoor::crypto {

namespace {

constexpr std::uint8_t kSealVersion = 1;
constexpr std::size_t kSeedBytes = 32;

Bytes bound_to(VolumeId volume, std::uint32_t epoch) {
  ByteWriter words;
  words.raw(volume.view());
  words.u32(epoch);
  return words.take();
}

}  // namespace

Bytes seal_volume_key(const VolumeKey& key, const PublicKey& member, Random& random) {
  const Bytes sealed =
      hpke_seal(member, as_bytes(labels::kVolumeKeySeal), bound_to(key.volume, key.epoch), key.seed.view(), random);
  if (sealed.empty()) return {};
  return concat({{&kSealVersion, 1}, sealed});
}

Result<VolumeKey> open_volume_key(VolumeId volume, std::uint32_t epoch, const KeyPair& member, ByteView sealed) {
  if (sealed.empty() || sealed[0] != kSealVersion) return Error(Code::kCorrupt, "sealed volume key of unknown version");
  SecretBytes seed =
      TRY(hpke_open(member, as_bytes(labels::kVolumeKeySeal), bound_to(volume, epoch), sealed.subspan(1)));
  if (seed.size() != kSeedBytes) return Error(Code::kCorrupt, "volume key of wrong size");
  return VolumeKey{volume, epoch, std::move(seed)};
}

}  // namespace skymoor::crypto
