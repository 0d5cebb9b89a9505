// Every label of this room's own derivations and bindings; KEYS.md lists them. A label never changes its meaning: a new
// shape gets a new version. Private to this room.
#pragma once
#include <string_view>

namespace skymoor::crypto::labels {

inline constexpr std::string_view kWrap = "skymoor/wrap/v1";
inline constexpr std::string_view kUserSealing = "skymoor/user/sealing/v1";
inline constexpr std::string_view kUserSigning = "skymoor/user/signing/v1";
inline constexpr std::string_view kVolumeBlock = "skymoor/volume/block/v1";
inline constexpr std::string_view kVolumeMetadata = "skymoor/volume/metadata/v1";
inline constexpr std::string_view kVolumeName = "skymoor/volume/name/v1";
inline constexpr std::string_view kVolumeToken = "skymoor/volume/token/v1";
inline constexpr std::string_view kVolumeChunker = "skymoor/volume/chunker/v1";
inline constexpr std::string_view kVolumeCommit = "skymoor/volume/commit/v1";
inline constexpr std::string_view kVolumeKeySeal = "skymoor/volume-key/v2";
inline constexpr std::string_view kVolumeKeyGiven = "skymoor/volume-key-given/v1";
inline constexpr std::string_view kRecoverySigning = "skymoor/recovery/signing/v1";
inline constexpr std::string_view kRecoveryChecksum = "skymoor/recovery-code/v1";
inline constexpr std::string_view kName = "skymoor/name/v1";
inline constexpr std::string_view kTarget = "skymoor/target/v1";
inline constexpr std::string_view kXattr = "skymoor/xattr/v1";
inline constexpr std::string_view kManifest = "skymoor/manifest/v1";
inline constexpr std::string_view kNameToken = "skymoor/name-token/v1";
inline constexpr std::string_view kXattrToken = "skymoor/xattr-token/v1";
inline constexpr std::string_view kCommitProof = "skymoor/commit-proof/v1";
inline constexpr std::string_view kOpaqueContext = "skymoor/opaque/v1";
inline constexpr std::string_view kOpaqueFakeRecord = "skymoor/opaque-fake-record/v1";

}  // namespace skymoor::crypto::labels
