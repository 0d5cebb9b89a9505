#include "shared/crypto/opaque/parameters.h"

#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto::opaque {
namespace {

Parameters some_parameters() { return {17, "drive.example", "ada"}; }

TEST(ParametersTest, ScryptIsThatOfRfc7914) {  // expected value from a second implementation, N = 16, r = 8, p = 1
  EXPECT_EQ(hex_of(*scrypt_stretch(4)(as_bytes("stretch me"))),
            "150f5c7e814e861d75cc0bb455580e1f18672183ba0713a01007ca93652669b1");
}

TEST(ParametersTest, ContextIsThatOfKeysMd) {
  EXPECT_EQ(hex_of(handshake_context(some_parameters())),
            "11736b796d6f6f722f6f70617175652f7631011100000008000000010000000d64726976652e6578616d706c65");
}

TEST(ParametersTest, ContextChangesWithCostAndServer) {
  Parameters cheaper = some_parameters(), elsewhere = some_parameters();
  cheaper.scrypt_log_n = 10;
  elsewhere.server_name = "drive.evil";
  EXPECT_NE(handshake_context(cheaper), handshake_context(some_parameters()));
  EXPECT_NE(handshake_context(elsewhere), handshake_context(some_parameters()));
}

TEST(ParametersTest, OprfInputKeepsItsPartsApart) {
  EXPECT_EQ(
      hex_of(*oprf_input(some_parameters(), as_bytes("pw"))),
      "000d" + hex_of(as_bytes("drive.example")) + "0003" + hex_of(as_bytes("ada")) + "0002" + hex_of(as_bytes("pw")));
  const Parameters first{17, "ab", "c"}, second{17, "a", "bc"};
  EXPECT_NE(hex_of(*oprf_input(first, as_bytes("pw"))), hex_of(*oprf_input(second, as_bytes("pw"))));
}

TEST(ParametersTest, Bounds) {
  Parameters parameters = some_parameters();
  for (std::uint32_t log_n : {0u, 21u, 64u, 4'000'000'000u}) {
    parameters.scrypt_log_n = log_n;
    EXPECT_EQ(check(parameters).error().code(), Code::kInvalidArgument) << log_n;
  }
  parameters = some_parameters();
  parameters.user_name.assign(1025, 'a');
  EXPECT_FALSE(check(parameters).ok());
  EXPECT_FALSE(oprf_input(some_parameters(), Bytes(4097)).ok());
  EXPECT_TRUE(oprf_input(some_parameters(), Bytes(4096)).ok());
}

}  // namespace
}  // namespace skymoor::crypto::opaque
