// AES-256-GCM, the block cipher of file contents: sealed and opened where they lie.
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
  const std::size_t start = out.size();
  out.reserve(start + plaintext.size() + kTagBytes);
  append(out, plaintext);
  append(out, gcm_seal_in_place(key, nonce, aad, std::span(out).subspan(start)));
}

std::array<std::uint8_t, kTagBytes> gcm_seal_in_place(ByteView key, ByteView nonce, ByteView aad,
                                                      std::span<std::uint8_t> text) {
  ossl::must(key.size() == kKeyBytes && nonce.size() == kNonceBytes, "GCM key and nonce sizes");
  EVP_CIPHER_CTX* context = ossl::thread_cipher_context();
  std::array<std::uint8_t, kTagBytes> tag;
  std::uint8_t nothing[16];
  int none = 0;
  const bool ok = EVP_EncryptInit_ex2(context, ossl::aes256_gcm(), key.data(), nonce.data(), nullptr) == 1 &&
                  update(context, nullptr, aad) && update(context, text.data(), text) &&
                  EVP_EncryptFinal_ex(context, nothing, &none) == 1 &&
                  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag.data()) == 1;
  ossl::must(ok, "GCM seal");
  return tag;
}

namespace {

Error not_authentic() { return Error(Code::kCorrupt, "sealed bytes do not authenticate"); }

bool begin_opening(EVP_CIPHER_CTX* context, ByteView key, ByteView nonce, ByteView aad) {
  return EVP_DecryptInit_ex2(context, ossl::aes256_gcm(), key.data(), nonce.data(), nullptr) == 1 &&
         update(context, nullptr, aad);
}

/// After all of the ciphertext. Where the answer is no, the caller wipes: unauthenticated plaintext must not survive, not
/// even beyond a vector's end.
bool authentic(EVP_CIPHER_CTX* context, std::array<std::uint8_t, kTagBytes> tag) {
  std::uint8_t nothing[16];
  int none = 0;
  return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
         EVP_DecryptFinal_ex(context, nothing, &none) == 1;
}

Status check_sizes(ByteView key, ByteView nonce, std::size_t sealed_bytes) {
  if (key.size() == kKeyBytes && nonce.size() == kNonceBytes && sealed_bytes >= kTagBytes) return {};
  return Error(Code::kCorrupt, "sealed bytes, key or nonce of impossible size");
}

}  // namespace

Status gcm_open(ByteView key, ByteView nonce, ByteView aad, ByteView sealed, Bytes& out) {
  TRY(check_sizes(key, nonce, sealed.size()));
  const std::size_t start = out.size(), size = sealed.size() - kTagBytes;
  out.resize(start + size);
  std::array<std::uint8_t, kTagBytes> tag;
  std::copy_n(sealed.data() + size, kTagBytes, tag.begin());
  EVP_CIPHER_CTX* context = ossl::thread_cipher_context();
  ossl::ErrorScope errors;
  if (begin_opening(context, key, nonce, aad) && update(context, out.data() + start, sealed.first(size)) &&
      authentic(context, tag))
    return {};
  if (size > 0) OPENSSL_cleanse(out.data() + start, size);
  out.resize(start);
  return not_authentic();
}

Status gcm_open_in_place(ByteView key, ByteView nonce, ByteView aad, std::span<std::uint8_t> sealed) {
  return gcm_open_in_place(key, nonce, aad, std::span<const std::span<std::uint8_t>>(&sealed, 1));
}

Status gcm_open_in_place(ByteView key, ByteView nonce, ByteView aad, std::span<const std::span<std::uint8_t>> sealed) {
  std::size_t size = 0;
  for (std::span<std::uint8_t> part : sealed) size += part.size();
  TRY(check_sizes(key, nonce, size));
  std::array<std::uint8_t, kTagBytes> tag;
  const std::size_t text_size = size - kTagBytes;
  std::vector<std::span<std::uint8_t>> text;
  std::size_t at = 0;
  for (std::span<std::uint8_t> part : sealed) {
    const std::size_t of_text = at < text_size ? std::min(part.size(), text_size - at) : 0;
    if (of_text > 0) text.push_back(part.first(of_text));
    at += of_text;
    for (std::uint8_t byte : part.subspan(of_text)) tag[at++ - text_size] = byte;
  }
  EVP_CIPHER_CTX* context = ossl::thread_cipher_context();
  ossl::ErrorScope errors;
  bool ok = begin_opening(context, key, nonce, aad);
  for (std::span<std::uint8_t> part : text) ok = ok && update(context, part.data(), part);
  if (ok && authentic(context, tag)) return {};
  for (std::span<std::uint8_t> part : text) OPENSSL_cleanse(part.data(), part.size());
  return not_authentic();
}

}  // namespace skymoor::crypto
