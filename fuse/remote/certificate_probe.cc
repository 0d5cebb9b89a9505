#include "fuse/remote/curl/failure.h"
#include "shared/crypto/certificate.h"

namespace skymoor::client {
namespace {

struct Look {
  CURLcode code = CURLE_OK;
  std::string certificate_pem;
  std::string detail;
};

int on_progress(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<std::stop_token*>(stop)->stop_requested() ? 1 : 0;
}

/// Shakes hands and hangs up.
Look look_at(const std::string& base_url, std::chrono::milliseconds timeout, std::stop_token stop, bool verify) {
  curl::Easy easy(curl_easy_init());
  if (!easy) return {CURLE_OUT_OF_MEMORY, {}, {}};
  char detail[CURL_ERROR_SIZE] = {};
  curl_easy_setopt(easy.get(), CURLOPT_URL, base_url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(easy.get(), CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
  curl_easy_setopt(easy.get(), CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_3));
  curl_easy_setopt(easy.get(), CURLOPT_CERTINFO, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
  curl_easy_setopt(easy.get(), CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(1, timeout.count())));
  curl_easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(easy.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy.get(), CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(easy.get(), CURLOPT_XFERINFODATA, &stop);
  Look look;
  look.code = curl_easy_perform(easy.get());
  look.certificate_pem = curl::shown_certificate(easy.get());
  look.detail = detail;
  return look;
}

}  // namespace

Result<ServerCertificate> probe_certificate(const std::string& base_url, std::chrono::milliseconds timeout,
                                            std::stop_token stop) {
  const std::string url = TRY(normalize_server_url(base_url));
  if (!url.starts_with("https://")) return Error(Code::kInvalidArgument, url + " has no certificate: it is plain http");
  curl::initialize_library();
  const Look plain = look_at(url, timeout, stop, false);
  if (plain.code == CURLE_ABORTED_BY_CALLBACK) return Error(Code::kCancelled, "cancelled");
  if (plain.code != CURLE_OK) return curl::failure_of(plain.code, nullptr, url, {}, plain.detail);
  ServerCertificate seen;
  seen.fingerprint = TRY(crypto::certificate_fingerprint(plain.certificate_pem));
  seen.pin = TRY(crypto::public_key_pin(plain.certificate_pem));
  const Look checked = look_at(url, timeout, stop, true);
  // A certificate that changes between the two looks is not the one that was vouched for.
  seen.trusted_by_system = checked.code == CURLE_OK && checked.certificate_pem == plain.certificate_pem;
  return seen;
}

}  // namespace skymoor::client
