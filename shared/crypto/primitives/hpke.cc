#include <algorithm>

#include "shared/crypto/aead.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/primitives/concat.h"
#include "shared/crypto/primitives/hpke_schedule.h"
#include "shared/crypto/primitives/x25519.h"

namespace skymoor::crypto {
namespace hpke {

namespace {

constexpr std::array<std::uint8_t, 5> kKemSuite = {'K', 'E', 'M', 0x00, 0x20};
constexpr std::array<std::uint8_t, 10> kSuite = {'H', 'P', 'K', 'E', 0x00, 0x20, 0x00, 0x01, 0x00, 0x02};
constexpr std::uint8_t kModeBase[1] = {0};

SecretBytes labeled_extract(ByteView suite, ByteView salt, std::string_view label, ByteView input_key) {
  const SecretBytes labeled = concat_secret({as_bytes("HPKE-v1"), suite, as_bytes(label), input_key});
  return hkdf_extract(salt, labeled.view());
}

SecretBytes labeled_expand(ByteView suite, ByteView secret, std::string_view label, ByteView info, std::size_t size) {
  return hkdf_expand(secret, concat({big_endian_16(size), as_bytes("HPKE-v1"), suite, as_bytes(label), info}), size);
}

}  // namespace

KeyPair derive_key_pair(ByteView input_key) {
  const SecretBytes secret = labeled_extract(kKemSuite, {}, "dkp_prk", input_key);
  return x25519_from_seed(labeled_expand(kKemSuite, secret.view(), "sk", {}, 32).view());
}

SecretBytes kem_shared_secret(ByteView diffie_hellman, const PublicKey& enc, const PublicKey& recipient) {
  const SecretBytes secret = labeled_extract(kKemSuite, {}, "eae_prk", diffie_hellman);
  return labeled_expand(kKemSuite, secret.view(), "shared_secret", concat({enc, recipient}), 32);
}

Schedule key_schedule(ByteView shared_secret, ByteView info) {
  const SecretBytes id_hash = labeled_extract(kSuite, {}, "psk_id_hash", {});
  const SecretBytes info_hash = labeled_extract(kSuite, {}, "info_hash", info);
  const Bytes context = concat({kModeBase, id_hash.view(), info_hash.view()});
  const SecretBytes secret = labeled_extract(kSuite, shared_secret, "secret", {});
  return {labeled_expand(kSuite, secret.view(), "key", context, 32),
          labeled_expand(kSuite, secret.view(), "base_nonce", context, 12),
          labeled_expand(kSuite, secret.view(), "exp", context, 32)};
}

SecretBytes export_secret(const Schedule& schedule, ByteView context, std::size_t size) {
  return labeled_expand(kSuite, schedule.exporter_secret.view(), "sec", context, size);
}

}  // namespace hpke

Bytes hpke_seal(const PublicKey& recipient, ByteView info, ByteView aad, ByteView plaintext, Random& random) {
  SecretBytes input_key(32);
  random.fill(input_key.mutable_view());
  const KeyPair ephemeral = hpke::derive_key_pair(input_key.view());
  const auto agreed = x25519(ephemeral.seed.view(), recipient);
  if (!agreed) return {};
  const SecretBytes shared = hpke::kem_shared_secret(agreed->view(), ephemeral.public_key, recipient);
  const hpke::Schedule schedule = hpke::key_schedule(shared.view(), info);
  Bytes out;
  out.reserve(ephemeral.public_key.size() + plaintext.size() + kTagBytes);
  append(out, ephemeral.public_key);
  gcm_seal(schedule.key.view(), schedule.nonce.view(), aad, plaintext, out);
  return out;
}

Result<SecretBytes> hpke_open(const KeyPair& recipient, ByteView info, ByteView aad, ByteView sealed) {
  PublicKey enc;
  if (sealed.size() < enc.size() + kTagBytes) return Error(Code::kCorrupt, "sealed message of impossible size");
  std::copy_n(sealed.begin(), enc.size(), enc.begin());
  const auto agreed = x25519(recipient.seed.view(), enc);
  if (!agreed) return Error(Code::kCorrupt, "sealed message under a key of low order");
  const SecretBytes shared = hpke::kem_shared_secret(agreed->view(), enc, recipient.public_key);
  const hpke::Schedule schedule = hpke::key_schedule(shared.view(), info);
  Bytes plaintext;
  TRY(gcm_open(schedule.key.view(), schedule.nonce.view(), aad, sealed.subspan(enc.size()), plaintext));
  return SecretBytes::adopt(std::move(plaintext));
}

}  // namespace skymoor::crypto
