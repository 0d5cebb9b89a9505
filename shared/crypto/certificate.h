// The server's self-made TLS certificate and its fingerprint.
#pragma once
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/crypto/secret.h"

namespace skymoor::crypto {

struct Certificate {
  std::string certificate_pem;
  SecretBytes private_key_pem;
};
/// P-256, SHA-256, valid for `days` from a day before now, subject alternative names for each host (DNS or IP address).
Result<Certificate> make_certificate(const std::vector<std::string>& hosts, int days, Timestamp now);
/// SHA-256 over the DER form, "sha256:" and 64 hex digits. Errors: InvalidArgument (not a certificate).
Result<std::string> certificate_fingerprint(std::string_view certificate_pem);
/// SHA-256 over the SubjectPublicKeyInfo, base64 as libcurl's CURLOPT_PINNEDPUBLICKEY wants it: "sha256//...".
Result<std::string> public_key_pin(std::string_view certificate_pem);

}  // namespace skymoor::crypto
