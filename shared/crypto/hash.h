// SHA-256, HMAC, HKDF and constant-time comparison.
#pragma once
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "shared/base/ids.h"
#include "shared/crypto/secret.h"

namespace skymoor::crypto {

/// SHA-256 of the parts one after the other. Source: FIPS 180-4.
Hash256 sha256(std::initializer_list<ByteView> parts);
inline Hash256 sha256(ByteView data) { return sha256({data}); }

/// A message in two parts: few bytes in front (at most 64), and many.
struct HashedMessage {
  ByteView prefix;
  ByteView body;
};
/// One SHA-256 per message. Where the processor has instructions for it, two messages at a time take as long as one.
std::vector<Hash256> sha256_each(std::span<const HashedMessage> messages);

/// SHA-256 of a stream. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(ByteView data);
  Hash256 finish();  ///< resets: the next update starts a new stream

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// HMAC-SHA-256 over the parts one after the other. Source: RFC 2104.
Hash256 hmac_sha256(ByteView key, std::initializer_list<ByteView> parts);

/// HKDF-SHA-256. Source: RFC 5869.
SecretBytes hkdf_extract(ByteView salt, ByteView input_key);
SecretBytes hkdf_expand(ByteView pseudo_random_key, ByteView info, std::size_t size);  ///< size <= 8160

bool constant_time_equal(ByteView a, ByteView b);

}  // namespace skymoor::crypto
