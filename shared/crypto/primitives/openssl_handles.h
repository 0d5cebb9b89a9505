// Owners for OpenSSL's objects and the algorithms that are fetched once. Private to this room.
#pragma once
#include <memory>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

namespace skymoor::crypto::ossl {

template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeWith<EVP_CIPHER_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, FreeWith<EVP_MAC_CTX_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;
using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using Number = std::unique_ptr<BIGNUM, FreeWith<BN_clear_free>>;
using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;
using Stream = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;

/// Ends the program: the library refused something that only a lack of memory or a broken installation explains, and
/// going on would mean to store or send unprotected bytes.
[[noreturn]] void fail(const char* what);
inline void must(bool ok, const char* what) {
  if (!ok) [[unlikely]]
    fail(what);
}

/// Drops the errors that an expected failure (bad tag, bad point) leaves in the thread's OpenSSL error queue; TLS on
/// the same thread would take them for its own.
class ErrorScope {
 public:
  ErrorScope() { ERR_set_mark(); }
  ~ErrorScope() { ERR_pop_to_mark(); }
  ErrorScope(const ErrorScope&) = delete;
  ErrorScope& operator=(const ErrorScope&) = delete;
};

// Fetched on first use and kept for the life of the process: a fetch per call costs more than a small message.
const EVP_MD* sha256_algorithm();
const EVP_CIPHER* aes256_gcm();
const EVP_CIPHER* aes_ctr(std::size_t key_bytes);  ///< 16 or 32
EVP_MAC* hmac_algorithm();
EVP_MAC* cmac_algorithm();

/// This thread's cipher context; every use sets cipher, key and IV anew. It holds the last key's schedule until its
/// next use or the end of the thread.
EVP_CIPHER_CTX* thread_cipher_context();

}  // namespace skymoor::crypto::ossl
