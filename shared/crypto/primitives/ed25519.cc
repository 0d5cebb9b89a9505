#include <algorithm>

#include "shared/crypto/hash.h"
#include "shared/crypto/primitives/openssl_handles.h"
#include "shared/crypto/signature.h"

namespace skymoor::crypto {

namespace {

ossl::Key private_key(ByteView seed) {
  ossl::must(seed.size() == 32, "Ed25519 seed size");
  ossl::Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  ossl::must(key != nullptr, "Ed25519 private key");
  return key;
}

// OpenSSL computes the public key again for every private key it is handed, which costs as much as a signature. A
// thread signs with one key most of the time (a device's commits, a server's tokens), so the last one is kept.
// The public key of a KeyPair is deliberately not used: a signature made with one that does not belong to the seed
// gives the seed away.
EVP_PKEY* last_signing_key(ByteView seed) {
  struct Last {
    SecretBytes seed;
    ossl::Key key;
  };
  thread_local Last last;
  if (!last.key || !constant_time_equal(last.seed.view(), seed)) {
    last.key = private_key(seed);
    last.seed = SecretBytes(seed);
  }
  return last.key.get();
}

}  // namespace

KeyPair ed25519_from_seed(ByteView seed32) {
  const ossl::Key key = private_key(seed32);
  KeyPair pair{SecretBytes(seed32), {}};
  std::size_t size = pair.public_key.size();
  ossl::must(EVP_PKEY_get_raw_public_key(key.get(), pair.public_key.data(), &size) == 1, "Ed25519 public key");
  return pair;
}

KeyPair ed25519_generate(Random& random) {
  SecretBytes seed(32);
  random.fill(seed.mutable_view());
  return ed25519_from_seed(seed.view());
}

Signature ed25519_sign(const KeyPair& key, ByteView message) {
  EVP_PKEY* signer = last_signing_key(key.seed.view());
  const ossl::DigestContext context(EVP_MD_CTX_new());
  Signature signature;
  std::size_t size = signature.size();
  const bool ok = context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, signer) == 1 &&
                  EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1;
  ossl::must(ok && size == signature.size(), "Ed25519 signature");
  return signature;
}

bool ed25519_verify(const PublicKey& key, ByteView message, ByteView signature) {
  if (signature.size() != Signature{}.size()) return false;
  ossl::ErrorScope errors;
  const ossl::Key verifier(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  const ossl::DigestContext context(EVP_MD_CTX_new());
  return verifier && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, verifier.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

}  // namespace skymoor::crypto
