// AES-256-GCM, the block cipher of file contents: no copy between the caller's bytes and the tail of `out`.
#include <algorithm>
#include <climits>

#include <openssl/crypto.h>

#include "shared/crypto/aead.h"
#include "shared/crypto/primitives/openssl_handles.h"

namespace skymoor::crypto {

namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kStepBytes = std::size_t{1} << 30;  // OpenSSL counts in int

// Encrypts or decrypts `in` to `out` (null: `in` is associated data).
bool update(EVP_CIPHER_CTX* context, std::uint8_t* out, ByteView in) {
  while (!in.empty()) {
    const std::size_t step = std::min(in.size(), kStepBytes);
    int written = 0;
    if (EVP_CipherUpdate(context, out, &written, in.data(), static_cast<int>(step)) != 1) return false;
    if (out) out += step;
    in = in.subspan(step);
  }
  return true;
}

}  // namespace

void gcm_seal(ByteView key, ByteView nonce, ByteView aad, ByteView plaintext, Bytes& out) {
  ossl::must(key.size() == kKeyBytes && nonce.size() == kNonceBytes, "GCM key and nonce sizes");
  const std::size_t start = out.size();
  out.resize(start + plaintext.size() + kTagBytes);
  std::uint8_t* tail = out.data() + start;
  EVP_CIPHER_CTX* context = ossl::thread_cipher_context();
  int none = 0;
  const bool ok = EVP_EncryptInit_ex2(context, ossl::aes256_gcm(), key.data(), nonce.data(), nullptr) == 1 &&
                  update(context, nullptr, aad) && update(context, tail, plaintext) &&
                  EVP_EncryptFinal_ex(context, tail + plaintext.size(), &none) == 1 &&
                  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, tail + plaintext.size()) == 1;
  ossl::must(ok, "GCM seal");
}

namespace {

/// Decrypts `ciphertext` to `plain` (as long; may be the same place). Errors: Corrupt; `plain` is wiped then.
Status open_to(ByteView key, ByteView nonce, ByteView aad, ByteView ciphertext, ByteView tag_bytes, std::uint8_t* plain) {
  std::array<std::uint8_t, kTagBytes> tag;
  std::copy_n(tag_bytes.begin(), kTagBytes, tag.begin());
  EVP_CIPHER_CTX* context = ossl::thread_cipher_context();
  ossl::ErrorScope errors;
  std::uint8_t nothing[16];
  int none = 0;
  const bool ok = EVP_DecryptInit_ex2(context, ossl::aes256_gcm(), key.data(), nonce.data(), nullptr) == 1 &&
                  update(context, nullptr, aad) && update(context, plain, ciphertext) &&
                  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
                  EVP_DecryptFinal_ex(context, nothing, &none) == 1;
  if (ok) return {};
  // Unauthenticated plaintext must not survive, not even beyond a vector's end.
  if (!ciphertext.empty()) OPENSSL_cleanse(plain, ciphertext.size());
  return Error(Code::kCorrupt, "sealed bytes do not authenticate");
}

Status check_sizes(ByteView key, ByteView nonce, ByteView sealed) {
  if (key.size() == kKeyBytes && nonce.size() == kNonceBytes && sealed.size() >= kTagBytes) return {};
  return Error(Code::kCorrupt, "sealed bytes, key or nonce of impossible size");
}

}  // namespace

Status gcm_open(ByteView key, ByteView nonce, ByteView aad, ByteView sealed, Bytes& out) {
  TRY(check_sizes(key, nonce, sealed));
  const std::size_t start = out.size(), size = sealed.size() - kTagBytes;
  out.resize(start + size);
  Status opened = open_to(key, nonce, aad, sealed.first(size), sealed.subspan(size), out.data() + start);
  if (!opened.ok()) out.resize(start);
  return opened;
}

Status gcm_open_in_place(ByteView key, ByteView nonce, ByteView aad, std::span<std::uint8_t> sealed) {
  TRY(check_sizes(key, nonce, sealed));
  const ByteView ciphertext = ByteView(sealed).first(sealed.size() - kTagBytes);
  return open_to(key, nonce, aad, ciphertext, ByteView(sealed).last(kTagBytes), sealed.data());
}

}  // namespace skymoor::crypto
