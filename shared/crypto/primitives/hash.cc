#include "shared/crypto/hash.h"

#include <algorithm>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include "shared/crypto/primitives/openssl_handles.h"
#include "shared/crypto/primitives/sha256_lanes.h"

namespace skymoor::crypto {

namespace {

EVP_MD_CTX* thread_digest_context() {
  thread_local const ossl::DigestContext context(EVP_MD_CTX_new());
  ossl::must(context != nullptr, "new digest context");
  return context.get();
}

ossl::MacContext new_hmac_context() {
  ossl::MacContext context(EVP_MAC_CTX_new(ossl::hmac_algorithm()));
  ossl::must(context != nullptr, "new HMAC context");
  char digest[] = "SHA256";
  const OSSL_PARAM settings[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
  ossl::must(EVP_MAC_CTX_set_params(context.get(), settings) == 1, "HMAC digest");
  return context;
}

// The digest stays set across uses: looking it up again costs as much as a small MAC.
EVP_MAC_CTX* thread_hmac_context() {
  thread_local const ossl::MacContext context = new_hmac_context();
  return context.get();
}

}  // namespace

Hash256 sha256(std::initializer_list<ByteView> parts) {
  EVP_MD_CTX* context = thread_digest_context();
  bool ok = EVP_DigestInit_ex2(context, ossl::sha256_algorithm(), nullptr) == 1;
  for (ByteView part : parts) ok = ok && EVP_DigestUpdate(context, part.data(), part.size()) == 1;
  Hash256 hash;
  ossl::must(ok && EVP_DigestFinal_ex(context, hash.value.data(), nullptr) == 1, "SHA-256");
  return hash;
}

std::vector<Hash256> sha256_each(std::span<const HashedMessage> messages) {
  std::vector<Hash256> digests(messages.size());
  for (const HashedMessage& message : messages) ossl::must(message.prefix.size() <= 64, "a prefix of at most one block");
  if (lanes::available()) {
    lanes::hash_all(messages, digests);
  } else {
    for (std::size_t i = 0; i < messages.size(); ++i) digests[i] = sha256({messages[i].prefix, messages[i].body});
  }
  return digests;
}

struct Sha256::State {
  ossl::DigestContext context{EVP_MD_CTX_new()};
  void start() {
    ossl::must(context && EVP_DigestInit_ex2(context.get(), ossl::sha256_algorithm(), nullptr) == 1, "SHA-256 start");
  }
};

Sha256::Sha256() : state_(std::make_unique<State>()) { state_->start(); }
Sha256::~Sha256() = default;

void Sha256::update(ByteView data) {
  ossl::must(EVP_DigestUpdate(state_->context.get(), data.data(), data.size()) == 1, "SHA-256 update");
}

Hash256 Sha256::finish() {
  Hash256 hash;
  ossl::must(EVP_DigestFinal_ex(state_->context.get(), hash.value.data(), nullptr) == 1, "SHA-256 finish");
  state_->start();
  return hash;
}

Hash256 hmac_sha256(ByteView key, std::initializer_list<ByteView> parts) {
  // A null key pointer would mean "the key of the last use"; HMAC pads with zeros, so one zero byte is the empty key.
  static constexpr std::uint8_t kEmptyKey[1] = {0};
  if (key.empty()) key = kEmptyKey;
  EVP_MAC_CTX* context = thread_hmac_context();
  bool ok = EVP_MAC_init(context, key.data(), key.size(), nullptr) == 1;
  for (ByteView part : parts) ok = ok && EVP_MAC_update(context, part.data(), part.size()) == 1;
  Hash256 mac;
  std::size_t size = 0;
  ossl::must(ok && EVP_MAC_final(context, mac.value.data(), &size, mac.value.size()) == 1, "HMAC");
  return mac;
}

SecretBytes hkdf_extract(ByteView salt, ByteView input_key) {
  Hash256 key = hmac_sha256(salt, {input_key});
  SecretBytes secret{key.view()};
  OPENSSL_cleanse(key.value.data(), key.value.size());
  return secret;
}

SecretBytes hkdf_expand(ByteView pseudo_random_key, ByteView info, std::size_t size) {
  ossl::must(size <= 255 * Hash256::kSize, "HKDF output size");
  SecretBytes out(size);
  Hash256 block;
  std::size_t done = 0;
  for (std::uint8_t counter = 1; done < size; ++counter) {
    const ByteView previous = counter == 1 ? ByteView{} : block.view();
    block = hmac_sha256(pseudo_random_key, {previous, info, {&counter, 1}});
    const std::size_t take = std::min(size - done, Hash256::kSize);
    std::copy_n(block.value.begin(), take, out.mutable_view().begin() + static_cast<std::ptrdiff_t>(done));
    done += take;
  }
  OPENSSL_cleanse(block.value.data(), block.value.size());
  return out;
}

bool constant_time_equal(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace skymoor::crypto
