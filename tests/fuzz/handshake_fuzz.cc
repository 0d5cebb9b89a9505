// OPAQUE messages on both sides, wrapped keys, sealed names, recovery codes and certificates.
#include "shared/crypto/certificate.h"
#include "shared/crypto/key_hierarchy.h"
#include "shared/crypto/opaque.h"
#include "shared/crypto/volume_cipher.h"
#include "tests/fuzz/fuzz.h"

namespace skymoor::fuzz {
namespace {

using namespace crypto;

/// The same bytes every time: a found input shows its fault again.
class CountingRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override {
    for (auto& byte : out) byte = static_cast<std::uint8_t>(++count_ * 37);
  }

 private:
  unsigned count_ = 0;
};

opaque::Parameters parameters() { return {.scrypt_log_n = 1, .server_name = "server", .user_name = "ada"}; }

const opaque::ServerSecrets& secrets() {
  static CountingRandom random;
  static const opaque::ServerSecrets made = opaque::ServerSecrets::generate(random);
  return made;
}

SecretBytes password() { return SecretBytes(as_bytes("password")); }

VolumeKey volume_key() {
  CountingRandom random;
  return VolumeKey::generate(VolumeId{{1}}, random);
}

void try_server(Choices choices) {
  CountingRandom random;
  (void)opaque::server_registration_response(secrets(), as_bytes("id"), choices.rest());
  const ByteView record = choices.take(choices.below(2) ? opaque::kRecordBytes : 0);
  auto login = opaque::server_login(secrets(), parameters(), record, as_bytes("id"), choices.rest(), random);
  if (login.ok()) check(login->ke2.size() == opaque::kKe2Bytes, "length of KE2");
}

void try_client(Choices choices) {
  CountingRandom random;
  if (choices.below(2) == 0) {
    auto done = opaque::ClientRegistration(parameters(), password(), random).finish(choices.rest());
    if (done.ok()) check(done->record.size() == opaque::kRecordBytes, "length of the record");
    return;
  }
  auto done = opaque::ClientLogin(parameters(), password(), random).finish(choices.rest());
  check(!done.ok(), "nobody but the server can answer a login");
}

void try_sealed(Choices choices) {
  static const VolumeCipher cipher(volume_key());
  const InodeId inode{7};
  switch (choices.below(6)) {
    case 0: check(!cipher.open_name(inode, inode, choices.rest()).ok(), "a name that nobody sealed"); return;
    case 1: check(!cipher.open_xattr(inode, choices.rest()).ok(), "an xattr that nobody sealed"); return;
    case 2: {
      const std::string name(as_text(choices.rest().first(std::min<std::size_t>(choices.rest().size(), 255))));
      auto opened = cipher.open_name(inode, inode, cipher.seal_name(inode, inode, name));
      check(opened.ok() && *opened == name, "a name comes back");
      return;
    }
    case 3: {
      const ByteView value = choices.rest().first(std::min<std::size_t>(choices.rest().size(), 60000));
      auto opened = cipher.open_xattr(inode, cipher.seal_xattr(inode, "user.a", value));
      check(opened.ok() && opened->value == to_bytes(value), "an xattr comes back");
      return;
    }
    case 4: {
      const KeyPair member = x25519_from_seed(Bytes(32, 9));
      check(!open_volume_key(VolumeId{{1}}, 1, member, ed25519_from_seed(Bytes(32, 8)).public_key, choices.rest()).ok(), "a key that nobody sealed");
      return;
    }
    default: check(!unwrap_key(Bytes(32, 1), {.purpose = "volume"}, choices.rest()).ok(), "a wrap of nobody"); return;
  }
}

void try_texts(Choices choices) {
  switch (choices.below(3)) {
    case 0: {
      auto code = RecoveryCode::parse(as_text(choices.rest()));
      if (code.ok()) {
        auto again = RecoveryCode::parse(code->text());
        check(again.ok() && to_bytes(again->secret.view()) == to_bytes(code->secret.view()), "recovery code");
      }
      return;
    }
    case 1:
      (void)certificate_fingerprint(as_text(choices.rest()));
      (void)public_key_pin(as_text(choices.rest()));
      return;
    default: {
      auto parsed = opaque::ServerSecrets::parse(choices.rest());
      if (parsed.ok())
        check(to_bytes(parsed->serialize().view()) == to_bytes(choices.rest()), "the key service's secrets");
    }
  }
}

}  // namespace

void try_input(ByteView input) {
  Choices choices(input);
  switch (choices.below(4)) {
    case 0: return try_server(choices);
    case 1: return try_client(choices);
    case 2: return try_sealed(choices);
    default: return try_texts(choices);
  }
}

std::vector<Bytes> seeds() {
  CountingRandom random, other;
  opaque::ClientRegistration registration(parameters(), password(), random);
  const Bytes response = *opaque::server_registration_response(secrets(), as_bytes("id"), registration.request());
  const Bytes record = registration.finish(response)->record;
  const Bytes ke1 = opaque::ClientLogin(parameters(), password(), random).ke1();
  // Of another login than the one the target makes: right in form, and it must not open.
  const Bytes ke2 = opaque::server_login(secrets(), parameters(), record, as_bytes("id"), ke1, other)->ke2;
  Bytes known = with_choice(1, record), unknown = with_choice(0, ke1);
  append(known, ke1);
  const VolumeCipher cipher(volume_key());
  auto certificate = make_certificate({"localhost"}, 10, Timestamp{std::chrono::seconds(1'700'000'000)});
  const auto in = [](std::uint8_t family, std::uint8_t choice, ByteView rest) {
    return with_choice(family, with_choice(choice, rest));
  };
  return {with_choice(0, known),
          with_choice(0, unknown),
          with_choice(0, registration.request()),
          in(1, 0, response),
          in(1, 1, ke2),
          in(2, 0, cipher.seal_name(InodeId{8}, InodeId{9}, "name")),
          in(2, 1, cipher.seal_xattr(InodeId{8}, "user.a", Bytes(3, 1))),
          in(2, 2, as_bytes("name")),
          in(2, 3, Bytes(100, 1)),
          in(2, 4, Bytes(80, 1)),
          in(2, 5, wrap_key(Bytes(32, 2), {.purpose = "volume"}, Bytes(32, 3))),
          in(3, 0, as_bytes(RecoveryCode::generate(random).text())),
          in(3, 1, as_bytes(certificate->certificate_pem)),
          in(3, 2, secrets().serialize().view())};
}

}  // namespace skymoor::fuzz
