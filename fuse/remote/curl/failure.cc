#include "fuse/remote/curl/failure.h"

#include "shared/crypto/certificate.h"

namespace skymoor::client::curl {
namespace {

std::string shown_fingerprint(CURL* easy) {
  auto fingerprint = crypto::certificate_fingerprint(shown_certificate(easy));
  return fingerprint.ok() ? *fingerprint : "unknown";
}

Error wrong_certificate(CURL* easy, const std::string& base_url, const ServerTrust& trust, const std::string& detail) {
  if (!trust.pin.empty()) {
    const std::string shown = shown_fingerprint(easy);
    return Error(Code::kBadCertificate,
                 base_url + " shows another certificate than the one accepted at login: somebody may be in between.\n" +
                     "  accepted: " + (trust.fingerprint.empty() ? "key " + trust.pin : trust.fingerprint) + "\n" +
                     "  shown:    " + shown + "\n" +
                     "If the server was given a new certificate on purpose, compare the second line with what its owner " +
                     "says and accept it: skymoor login --fingerprint " + shown);
  }
  // libcurl refuses here before it keeps the certificate; the login looks at it and asks.
  return Error(Code::kBadCertificate,
               base_url + " shows a certificate that no authority known to this machine vouches for" +
                   (detail.empty() ? "" : " (" + detail + ")") +
                   ".\nIf that is your own server, accept its certificate with 'skymoor login'.");
}

Error make(Code code, const std::string& base_url, const std::string& what, const std::string& detail) {
  return Error(code, "the server " + base_url + " " + what + (detail.empty() ? "" : " (" + detail + ")"));
}

/// What is known of why is in the first part; this is what a person can do.
Error unreachable(const std::string& base_url, const char* what, const std::string& detail) {
  return make(Code::kOffline, base_url, std::string(what) + ": check that it runs and that the address is right", detail);
}

}  // namespace

std::string shown_certificate(CURL* easy) {
  static constexpr std::string_view kPrefix = "Cert:";
  curl_certinfo* chain = nullptr;
  if (!easy || curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain || chain->num_of_certs < 1)
    return {};
  for (curl_slist* line = chain->certinfo[0]; line; line = line->next)
    if (std::string_view text = line->data; text.starts_with(kPrefix)) return std::string(text.substr(kPrefix.size()));
  return {};
}

Error failure_of(CURLcode code, CURL* easy, const std::string& base_url, const ServerTrust& trust,
                 const std::string& detail) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return unreachable(base_url, "cannot be found", "no address for that name");
    case CURLE_COULDNT_CONNECT: return unreachable(base_url, "does not answer", "");
    case CURLE_OPERATION_TIMEDOUT: return make(Code::kTimedOut, base_url, "did not answer in time: check the network, and that it runs", "");
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE: return wrong_certificate(easy, base_url, trust, detail);
    case CURLE_SSL_CONNECT_ERROR: return make(Code::kOffline, base_url, "does not speak TLS 1.3: check the address and the port", detail);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE: return make(Code::kOffline, base_url, "broke the connection", detail);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING: return make(Code::kUnavailable, base_url, "is not a Skymoor server", detail);
    case CURLE_URL_MALFORMAT: return make(Code::kInvalidArgument, base_url, "is not a URL", detail);
    case CURLE_OUT_OF_MEMORY: return make(Code::kOutOfMemory, base_url, "cannot be called", detail);
    default: return unreachable(base_url, "cannot be reached", detail);
  }
}

}  // namespace skymoor::client::curl
