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
/// P-256, SHA-256, self-signed, valid from a day before `now` until `days` after it, with a subject alternative name
/// for each host (DNS name or IP address). Errors: InvalidArgument (no host, not a host name, days outside 1 to 36500).
Result<Certificate> make_certificate(const std::vector<std::string>& hosts, int days, Timestamp now);
/// SHA-256 over the DER form, "sha256:" and 64 hex digits. Errors: InvalidArgument (not a certificate).
Result<std::string> certificate_fingerprint(std::string_view certificate_pem);
/// SHA-256 over the SubjectPublicKeyInfo, base64 as libcurl's CURLOPT_PINNEDPUBLICKEY wants it: "sha256//...".
Result<std::string> public_key_pin(std::string_view certificate_pem);

}  // namespace skymoor::crypto
