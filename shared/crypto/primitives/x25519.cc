#include "shared/crypto/primitives/x25519.h"

#include "shared/crypto/primitives/openssl_handles.h"

namespace skymoor::crypto {

namespace {
ossl::Key private_key(ByteView seed) {
  ossl::must(seed.size() == 32, "X25519 seed size");
  ossl::Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, seed.data(), seed.size()));
  ossl::must(key != nullptr, "X25519 private key");
  return key;
}
}  // namespace

KeyPair x25519_from_seed(ByteView seed32) {
  const ossl::Key key = private_key(seed32);
  KeyPair pair{SecretBytes(seed32), {}};
  std::size_t size = pair.public_key.size();
  ossl::must(EVP_PKEY_get_raw_public_key(key.get(), pair.public_key.data(), &size) == 1, "X25519 public key");
  return pair;
}

KeyPair x25519_generate(Random& random) {
  SecretBytes seed(32);
  random.fill(seed.mutable_view());
  return x25519_from_seed(seed.view());
}

std::optional<SecretBytes> x25519(ByteView seed32, const PublicKey& peer) {
  const ossl::Key own = private_key(seed32);
  ossl::ErrorScope errors;
  const ossl::Key other(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, peer.data(), peer.size()));
  const ossl::KeyContext context(EVP_PKEY_CTX_new(own.get(), nullptr));
  SecretBytes shared(32);
  std::size_t size = shared.size();
  const bool ok = other && context && EVP_PKEY_derive_init(context.get()) == 1 &&
                  EVP_PKEY_derive_set_peer(context.get(), other.get()) == 1 &&
                  EVP_PKEY_derive(context.get(), shared.mutable_view().data(), &size) == 1;
  if (!ok || size != shared.size()) return std::nullopt;
  return shared;
}

}  // namespace skymoor::crypto
