// What goes into the handshake from outside: context, OPRF input, stretching. Private to the crypto room.
#pragma once
#include <functional>

#include "shared/crypto/opaque.h"

namespace skymoor::crypto::opaque {

/// Key stretching function, replaced by the identity under the RFC's vectors.
using Stretch = std::function<Result<SecretBytes>(ByteView)>;

/// scrypt, N = 2^log_n, r = 8, p = 1, 16 zero bytes of salt, 32 bytes out. Errors: OutOfMemory. Source: RFC 7914.
Stretch scrypt_stretch(std::uint32_t log_n);

/// Errors: InvalidArgument (cost outside 1 to 20, names over 1024 bytes).
Status check(const Parameters& parameters);

/// Suite, stretching cost and server name: a side that was told another cost does not finish the handshake.
Bytes handshake_context(const Parameters& parameters);

/// server name, user name and password, each behind its length (two bytes, high first).
/// Errors: InvalidArgument (password over 4096 bytes, and those of `check`).
Result<SecretBytes> oprf_input(const Parameters& parameters, ByteView password);

}  // namespace skymoor::crypto::opaque
