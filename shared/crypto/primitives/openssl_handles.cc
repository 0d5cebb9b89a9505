#include "shared/crypto/primitives/openssl_handles.h"

#include <cstdio>
#include <cstdlib>

namespace skymoor::crypto::ossl {

void fail(const char* what) {
  char reason[256] = "no reason given";
  if (unsigned long code = ERR_peek_last_error()) ERR_error_string_n(code, reason, sizeof reason);
  std::fprintf(stderr, "crypto: %s failed: %s\n", what, reason);
  std::abort();
}

namespace {
template <typename T>
T* fetched(T* algorithm, const char* name) {
  must(algorithm != nullptr, name);
  return algorithm;
}
}  // namespace

const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const algorithm = fetched(EVP_MD_fetch(nullptr, "SHA256", nullptr), "fetch SHA256");
  return algorithm;
}

const EVP_CIPHER* aes256_gcm() {
  static const EVP_CIPHER* const algorithm =
      fetched(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr), "fetch AES-256-GCM");
  return algorithm;
}

const EVP_CIPHER* aes_ctr(std::size_t key_bytes) {
  static const EVP_CIPHER* const wide = fetched(EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr), "fetch AES-256-CTR");
  static const EVP_CIPHER* const narrow =
      fetched(EVP_CIPHER_fetch(nullptr, "AES-128-CTR", nullptr), "fetch AES-128-CTR");
  return key_bytes == 32 ? wide : narrow;
}

EVP_MAC* hmac_algorithm() {
  static EVP_MAC* const algorithm = fetched(EVP_MAC_fetch(nullptr, "HMAC", nullptr), "fetch HMAC");
  return algorithm;
}

EVP_MAC* cmac_algorithm() {
  static EVP_MAC* const algorithm = fetched(EVP_MAC_fetch(nullptr, "CMAC", nullptr), "fetch CMAC");
  return algorithm;
}

EVP_CIPHER_CTX* thread_cipher_context() {
  thread_local const CipherContext context(fetched(EVP_CIPHER_CTX_new(), "new cipher context"));
  return context.get();
}

}  // namespace skymoor::crypto::ossl
