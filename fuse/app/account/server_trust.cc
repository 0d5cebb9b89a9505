#include "fuse/app/account/server_trust.h"

#include "shared/base/ids.h"

namespace skymoor::client {
namespace {

constexpr std::chrono::seconds kProbeTimeout{15};

Status ask_person(const std::string& base_url, const ServerCertificate& seen, Console& console) {
  if (!console.interactive())
    return Error(Code::kBadCertificate,
                 base_url + " shows a certificate that is not known here:\n  " + seen.fingerprint +
                     "\nCompare it with what the server printed when it was set up, then give --fingerprint " +
                     seen.fingerprint + " (or --trust-first to accept what it shows)");
  console.note("First contact with " + base_url + ". Its certificate's fingerprint is\n  " + seen.fingerprint +
               "\nCompare it with what the server printed when it was set up ('skymoord fingerprint' shows it again).");
  const std::string answer = TRY(console.ask("Is it the same? (yes/no) ", "--fingerprint or --trust-first"));
  if (answer == "yes" || answer == "y") return {};
  return Error(Code::kBadCertificate, "not accepted: nothing was sent to " + base_url);
}

}  // namespace

Result<std::string> normalize_fingerprint(std::string_view text) {
  static constexpr std::string_view kPrefix = "sha256:";
  std::string lower;
  for (char c : text) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (lower.starts_with(kPrefix)) lower.erase(0, kPrefix.size());
  std::erase_if(lower, [](char c) { return c == ':' || c == ' '; });
  if (auto hash = Hash256::from_hex(lower); hash.ok()) return std::string(kPrefix) + lower;
  return Error(Code::kInvalidArgument, "'" + std::string(text) + "' is no fingerprint: it looks like sha256: and 64 hex digits");
}

Result<ServerTrust> establish_trust(const std::string& base_url, const TrustOptions& options, const ServerTrust& known,
                                    Console& console) {
  if (base_url.starts_with("http://")) return ServerTrust{};
  std::string expected;
  if (!options.fingerprint.empty()) expected = TRY(normalize_fingerprint(options.fingerprint));
  const ServerCertificate seen = TRY(probe_certificate(base_url, kProbeTimeout, {}));
  if (!expected.empty()) {
    if (seen.fingerprint != expected)
      return Error(Code::kBadCertificate, base_url + " shows another certificate than the one you gave.\n  given: " +
                                              expected + "\n  shown: " + seen.fingerprint);
    return ServerTrust{seen.pin, seen.fingerprint};
  }
  if (!known.pin.empty()) {
    if (seen.pin == known.pin) return ServerTrust{seen.pin, seen.fingerprint};
    return Error(Code::kBadCertificate,
                 base_url + " shows another certificate than the one accepted before.\n  accepted: " + known.fingerprint +
                     "\n  shown:    " + seen.fingerprint +
                     "\nIf the server was given a new one on purpose: --fingerprint " + seen.fingerprint);
  }
  if (seen.trusted_by_system) return ServerTrust{};
  if (options.accept_first)
    console.note("Accepting the certificate of " + base_url + " at first contact: " + seen.fingerprint);
  else
    TRY(ask_person(base_url, seen, console));
  return ServerTrust{seen.pin, seen.fingerprint};
}

}  // namespace skymoor::client
