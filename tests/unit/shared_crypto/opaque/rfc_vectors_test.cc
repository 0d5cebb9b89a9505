// The whole handshake against the test vectors of RFC 9807, step by step and byte by byte.
#include "shared/crypto/opaque/client_core.h"
#include "shared/crypto/opaque/server_core.h"
#include "tests/unit/shared_crypto/inputs.h"
#include "tests/unit/shared_crypto/opaque/rfc9807_vectors.h"

namespace skymoor::crypto::opaque {
namespace {

const Stretch kIdentity = [](ByteView input) -> Result<SecretBytes> { return SecretBytes(input); };
const Bytes kContext = to_bytes("OPAQUE-POC");

template <typename Vector>
Identities identities_of(const Vector& vector) {
  return {hex(vector.client_identity), hex(vector.server_identity)};
}
template <typename Vector>
ServerSecrets secrets_of(const Vector& vector) {
  return {SecretBytes(ByteView(hex(vector.oprf_seed))), SecretBytes(ByteView(hex(vector.server_private_key))),
          hex(vector.server_public_key)};
}
template <typename Vector>
ServerRandomness randomness_of(const Vector& vector) {
  return {SecretBytes(ByteView(hex(vector.masking_nonce))), SecretBytes(ByteView(hex(vector.server_nonce))),
          SecretBytes(ByteView(hex(vector.server_keyshare_seed)))};
}

class RealVectorTest : public ::testing::TestWithParam<vectors::Real> {};
INSTANTIATE_TEST_SUITE_P(Rfc9807, RealVectorTest, ::testing::ValuesIn(vectors::kReal));

TEST_P(RealVectorTest, Registration) {
  const vectors::Real& vector = GetParam();
  const Scalar blind = *Scalar::decode(hex(vector.blind_registration));
  EXPECT_EQ(hex_of(*oprf_blind(hex(vector.password), blind)), vector.registration_request);
  EXPECT_EQ(hex_of(credential_oprf_key(hex(vector.oprf_seed), hex(vector.credential_identifier)).bytes()),
            vector.oprf_key);
  const auto response = server_registration_response(secrets_of(vector), hex(vector.credential_identifier),
                                                     hex(vector.registration_request));
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(hex_of(*response), vector.registration_response);
  const auto outcome = finish_registration(hex(vector.password), blind, *response, hex(vector.envelope_nonce),
                                           identities_of(vector), kIdentity);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(hex_of(outcome->record), vector.registration_upload);
  EXPECT_EQ(hex_of(outcome->export_key), vector.export_key);
}

TEST_P(RealVectorTest, Login) {
  const vectors::Real& vector = GetParam();
  const auto hello = make_ke1(hex(vector.password), *Scalar::decode(hex(vector.blind_login)), hex(vector.client_nonce),
                              hex(vector.client_keyshare_seed));
  ASSERT_TRUE(hello.ok());
  EXPECT_EQ(hex_of(hello->ke1), vector.ke1);
  const auto answer =
      answer_ke1(secrets_of(vector), kContext, hex(vector.registration_upload), hex(vector.credential_identifier),
                 hello->ke1, identities_of(vector), randomness_of(vector));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(hex_of(answer->ke2), vector.ke2);
  EXPECT_EQ(hex_of(answer->expected_ke3), vector.ke3);
  EXPECT_EQ(hex_of(answer->session_key), vector.session_key);
  const auto outcome =
      finish_login(kContext, hex(vector.password), *hello, answer->ke2, identities_of(vector), kIdentity);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(hex_of(outcome->ke3), vector.ke3);
  EXPECT_EQ(hex_of(outcome->session_key), vector.session_key);
  EXPECT_EQ(hex_of(outcome->export_key), vector.export_key);
}

TEST_P(RealVectorTest, OtherIdentitiesOrContextDoNotLogIn) {
  const vectors::Real& vector = GetParam();
  const auto hello = make_ke1(hex(vector.password), *Scalar::decode(hex(vector.blind_login)), hex(vector.client_nonce),
                              hex(vector.client_keyshare_seed));
  const auto code_of = [&](ByteView context, const Identities& identities) {
    return finish_login(context, hex(vector.password), *hello, hex(vector.ke2), identities, kIdentity).error().code();
  };
  EXPECT_EQ(code_of(as_bytes("OPAQUE-POd"), identities_of(vector)), Code::kWrongPassword);
  EXPECT_EQ(code_of(kContext, Identities{to_bytes("mallory"), {}}), Code::kWrongPassword);
  EXPECT_EQ(code_of(kContext, Identities{{}, to_bytes("mallory")}), Code::kWrongPassword);
}

TEST(FakeVectorTest, Rfc9807) {
  const vectors::Fake& vector = vectors::kFake;
  Bytes record = hex(vector.client_public_key);
  append(record, hex(vector.masking_key));
  record.resize(kRecordBytes);
  const auto answer = answer_ke1(secrets_of(vector), kContext, record, hex(vector.credential_identifier),
                                 hex(vector.ke1), identities_of(vector), randomness_of(vector));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(hex_of(answer->ke2), vector.ke2);
}

}  // namespace
}  // namespace skymoor::crypto::opaque
