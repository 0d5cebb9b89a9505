// AES-SIV from OpenSSL's CMAC and CTR. Its own AES-SIV looks up both on every new key (8 us here against 2), and before
// 3.0.10 left empty associated data out (CVE-2023-2975).
#include "shared/crypto/primitives/siv.h"

#include <algorithm>
#include <array>
#include <climits>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include "shared/crypto/hash.h"
#include "shared/crypto/primitives/openssl_handles.h"

namespace skymoor::crypto {
namespace siv {

namespace {

using Block = std::array<std::uint8_t, 16>;
constexpr std::size_t kMaxParts = 126;

// CMAC under one key, restarted for each part. `cipher` is the name EVP_MAC knows.
ossl::MacContext new_cmac_context(const char* cipher) {
  ossl::MacContext context(EVP_MAC_CTX_new(ossl::cmac_algorithm()));
  ossl::must(context != nullptr, "new CMAC context");
  const OSSL_PARAM settings[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, const_cast<char*>(cipher), 0),
                                 OSSL_PARAM_construct_end()};
  ossl::must(EVP_MAC_CTX_set_params(context.get(), settings) == 1, "CMAC cipher");
  return context;
}

EVP_MAC_CTX* thread_cmac_context(std::size_t key_bytes) {
  thread_local const ossl::MacContext wide = new_cmac_context("AES-256-CBC");
  if (key_bytes == 32) return wide.get();
  thread_local const ossl::MacContext narrow = new_cmac_context("AES-128-CBC");
  return narrow.get();
}

class Cmac {
 public:
  explicit Cmac(ByteView key) : context_(thread_cmac_context(key.size())), key_(key) {}

  Block of(ByteView head, ByteView tail = {}) {
    bool ok = EVP_MAC_init(context_, key_.data(), key_.size(), nullptr) == 1;
    key_ = {};  // a null key restarts with the one set before
    if (!head.empty()) ok = ok && EVP_MAC_update(context_, head.data(), head.size()) == 1;
    if (!tail.empty()) ok = ok && EVP_MAC_update(context_, tail.data(), tail.size()) == 1;
    Block mac;
    std::size_t size = 0;
    ossl::must(ok && EVP_MAC_final(context_, mac.data(), &size, mac.size()) == 1, "CMAC");
    return mac;
  }

 private:
  EVP_MAC_CTX* context_;
  ByteView key_;
};

// Multiplication by x in GF(2^128).
void twice(Block& block) {
  const std::uint8_t carry = block[0] >> 7;
  for (std::size_t i = 0; i + 1 < block.size(); ++i)
    block[i] = static_cast<std::uint8_t>(block[i] << 1 | block[i + 1] >> 7);
  block[15] = static_cast<std::uint8_t>(block[15] << 1 ^ (0x87 & -carry));
}

void exclusive_or(Block& into, ByteView other) {
  for (std::size_t i = 0; i < other.size(); ++i) into[i] ^= other[i];
}

// S2V: the synthetic IV over all parts and the plaintext.
Block synthetic_iv(ByteView key, std::span<const ByteView> aad, ByteView plaintext) {
  ossl::must(aad.size() <= kMaxParts, "SIV with that many parts");
  Cmac cmac(key);
  Block sum = cmac.of(Block{});
  for (ByteView part : aad) {
    twice(sum);
    exclusive_or(sum, cmac.of(part));
  }
  if (plaintext.size() >= sum.size()) {
    exclusive_or(sum, plaintext.last(sum.size()));
    return cmac.of(plaintext.first(plaintext.size() - sum.size()), sum);
  }
  twice(sum);
  exclusive_or(sum, plaintext);
  sum[plaintext.size()] ^= 0x80;
  return cmac.of(sum);
}

// CTR from the synthetic IV with the bits cleared that let 32-bit counters stand in for a 128-bit one.
void counter_mode(ByteView key, Block iv, ByteView in, std::uint8_t* out) {
  iv[8] &= 0x7f;
  iv[12] &= 0x7f;
  EVP_CIPHER_CTX* context = ossl::thread_cipher_context();
  ossl::must(EVP_EncryptInit_ex2(context, ossl::aes_ctr(key.size()), key.data(), iv.data(), nullptr) == 1, "CTR key");
  while (!in.empty()) {
    const std::size_t step = std::min<std::size_t>(in.size(), std::size_t{1} << 30);
    int written = 0;
    ossl::must(EVP_EncryptUpdate(context, out, &written, in.data(), static_cast<int>(step)) == 1, "CTR");
    out += step;
    in = in.subspan(step);
  }
}

bool is_key_size(std::size_t size) { return size == 32 || size == 64; }

}  // namespace

Bytes seal(ByteView key, std::span<const ByteView> aad, ByteView plaintext) {
  ossl::must(is_key_size(key.size()), "SIV key size");
  const std::size_t half = key.size() / 2;
  const Block iv = synthetic_iv(key.first(half), aad, plaintext);
  Bytes out(iv.size() + plaintext.size());
  std::copy(iv.begin(), iv.end(), out.begin());
  counter_mode(key.last(half), iv, plaintext, out.data() + iv.size());
  return out;
}

Result<SecretBytes> open(ByteView key, std::span<const ByteView> aad, ByteView sealed) {
  Block iv;
  if (!is_key_size(key.size()) || sealed.size() < iv.size())
    return Error(Code::kCorrupt, "sealed bytes or key of impossible size");
  const std::size_t half = key.size() / 2;
  std::copy_n(sealed.begin(), iv.size(), iv.begin());
  const ByteView ciphertext = sealed.subspan(iv.size());
  SecretBytes plaintext(ciphertext.size());
  counter_mode(key.last(half), iv, ciphertext, plaintext.mutable_view().data());
  if (!constant_time_equal(synthetic_iv(key.first(half), aad, plaintext.view()), iv))
    return Error(Code::kCorrupt, "sealed bytes do not authenticate");
  return plaintext;
}

}  // namespace siv

namespace {
constexpr std::size_t kSivKeyBytes = 64;
}

Bytes siv_seal(ByteView key, std::initializer_list<ByteView> aad, ByteView plaintext) {
  ossl::must(key.size() == kSivKeyBytes, "SIV key size");
  return siv::seal(key, {aad.begin(), aad.size()}, plaintext);
}

Result<SecretBytes> siv_open(ByteView key, std::initializer_list<ByteView> aad, ByteView sealed) {
  if (key.size() != kSivKeyBytes) return Error(Code::kCorrupt, "key of wrong size");
  return siv::open(key, {aad.begin(), aad.size()}, sealed);
}

}  // namespace skymoor::crypto
