// The client's steps with every random value handed in, so that the RFC's vectors can be run. Private to the crypto
// room; the front door is shared/crypto/opaque.h. Source: RFC 9807, sections 5 and 6.
#pragma once
#include "shared/crypto/opaque/key_exchange.h"
#include "shared/crypto/opaque/parameters.h"

namespace skymoor::crypto::opaque {

/// FinalizeRegistrationRequest. Errors: InvalidArgument (malformed response), those of `stretch`.
Result<ClientRegistration::Outcome> finish_registration(ByteView oprf_input, const Scalar& blind, ByteView response,
                                                        ByteView envelope_nonce, const Identities& identities,
                                                        const Stretch& stretch);

struct ClientHello {
  Scalar blind;
  Scalar keyshare;  ///< private
  Bytes ke1;
};
/// GenerateKE1. Errors: InvalidArgument (input too long).
Result<ClientHello> make_ke1(ByteView oprf_input, Scalar blind, ByteView client_nonce, ByteView keyshare_seed);

/// GenerateKE3. Errors: InvalidArgument (malformed), WrongPassword, those of `stretch`.
Result<ClientLogin::Outcome> finish_login(ByteView context, ByteView oprf_input, const ClientHello& hello, ByteView ke2,
                                          const Identities& identities, const Stretch& stretch);

}  // namespace skymoor::crypto::opaque
