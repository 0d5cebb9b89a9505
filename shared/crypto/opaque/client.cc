// The front door's client side: draws the random values and keeps what one handshake needs until its second step.
#include "shared/crypto/opaque/client_core.h"

namespace skymoor::crypto::opaque {

namespace {
SecretBytes random_bytes(Random& random, std::size_t size) {
  SecretBytes bytes(size);
  random.fill(bytes.mutable_view());
  return bytes;
}
}  // namespace

// The constructors cannot fail, so that what is wrong with the parameters is told by `finish`; until then the request
// is empty, which no server answers.
struct ClientRegistration::State {
  Parameters parameters;
  Result<SecretBytes> input;
  Scalar blind;
  SecretBytes envelope_nonce;
  Bytes request;
};

ClientRegistration::ClientRegistration(Parameters parameters, SecretBytes password, Random& random) {
  auto input = oprf_input(parameters, password.view());
  state_ = std::make_unique<State>(
      State{std::move(parameters), std::move(input), Scalar::random(random), random_bytes(random, kNonceBytes), {}});
  if (!state_->input.ok()) return;
  auto request = oprf_blind(state_->input->view(), state_->blind);
  if (request.ok()) state_->request = std::move(*request);
}

ClientRegistration::~ClientRegistration() = default;

Bytes ClientRegistration::request() const { return state_->request; }

Result<ClientRegistration::Outcome> ClientRegistration::finish(ByteView response) const {
  if (!state_->input.ok()) return state_->input.error();
  return finish_registration(state_->input->view(), state_->blind, response, state_->envelope_nonce.view(), {},
                             scrypt_stretch(state_->parameters.scrypt_log_n));
}

struct ClientLogin::State {
  Parameters parameters;
  Result<SecretBytes> input;
  Result<ClientHello> hello;
};

namespace {
Result<ClientHello> hello_for(const Result<SecretBytes>& input, Random& random) {
  if (!input.ok()) return input.error();
  return make_ke1(input->view(), Scalar::random(random), random_bytes(random, kNonceBytes).view(),
                  random_bytes(random, 32).view());
}
}  // namespace

ClientLogin::ClientLogin(Parameters parameters, SecretBytes password, Random& random) {
  auto input = oprf_input(parameters, password.view());
  auto hello = hello_for(input, random);
  state_ = std::make_unique<State>(State{std::move(parameters), std::move(input), std::move(hello)});
}

ClientLogin::~ClientLogin() = default;

Bytes ClientLogin::ke1() const { return state_->hello.ok() ? state_->hello->ke1 : Bytes{}; }

Result<ClientLogin::Outcome> ClientLogin::finish(ByteView ke2) const {
  if (!state_->hello.ok()) return state_->hello.error();
  return finish_login(handshake_context(state_->parameters), state_->input->view(), *state_->hello, ke2, {},
                      scrypt_stretch(state_->parameters.scrypt_log_n));
}

}  // namespace skymoor::crypto::opaque
