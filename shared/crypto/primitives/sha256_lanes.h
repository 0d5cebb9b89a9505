// SHA-256 of several messages, two at a time, on processors with instructions for it. Private to the room.
#pragma once
#include "shared/crypto/hash.h"

namespace skymoor::crypto::lanes {

/// Whether this processor has what `hash_all` needs.
bool available();
/// One digest per message. Only where `available`.
void hash_all(std::span<const HashedMessage> messages, std::span<Hash256> digests);

}  // namespace skymoor::crypto::lanes
