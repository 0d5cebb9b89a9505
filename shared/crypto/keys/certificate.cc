#include "shared/crypto/certificate.h"

#include <optional>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "shared/crypto/hash.h"
#include "shared/crypto/primitives/openssl_handles.h"

namespace skymoor::crypto {

namespace {

constexpr int kVersion3 = 2;
constexpr std::chrono::hours kDay{24};

Error library_error(const char* what) { return Error(Code::kInternal, std::string("certificate: ") + what); }

// Takes no text that OpenSSL's configuration syntax could read more into: names go in as values.
bool add_host(GENERAL_NAMES* names, const std::string& host) {
  if (host.empty() || host.size() > 255 || host.find('\0') != std::string::npos) return false;
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (!name) return false;
  if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str())) {
    GENERAL_NAME_set0_value(name, GEN_IPADD, address);
  } else {
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, host.data(), static_cast<int>(host.size()));
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
  }
  if (sk_GENERAL_NAME_push(names, name)) return true;
  GENERAL_NAME_free(name);
  return false;
}

bool is_host(const std::string& host) {
  for (unsigned char c : host)
    if (c <= ' ' || c >= 0x7f || c == ',' || c == '/') return false;
  return !host.empty() && host.size() <= 255;
}

Status set_names(X509* certificate, const std::vector<std::string>& hosts) {
  const ossl::Names names(GENERAL_NAMES_new());
  for (const std::string& host : hosts) {
    if (!is_host(host)) return Error(Code::kInvalidArgument, "not a host name or address: '" + host + "'");
    if (!names || !add_host(names.get(), host)) return library_error("host names");
  }
  X509_NAME* subject = X509_get_subject_name(certificate);
  // A common name has at most 64 characters; who connects looks at the alternative names only.
  const std::string common = hosts.front().substr(0, 64);
  const auto* text = reinterpret_cast<const unsigned char*>(common.data());
  if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text, static_cast<int>(common.size()), -1, 0) != 1 ||
      X509_set_issuer_name(certificate, subject) != 1 ||
      X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) != 1)
    return library_error("names");
  return {};
}

Status add_extension(X509* certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  const bool ok = extension && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  if (!ok) return library_error("extension");
  return {};
}

Status set_serial(X509* certificate) {
  const ossl::Number serial(BN_new());
  if (!serial || BN_rand(serial.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1 ||
      !BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)))
    return library_error("serial number");
  return {};
}

Status set_validity(X509* certificate, int days, Timestamp now) {
  const auto second = [](Timestamp t) {
    return static_cast<time_t>(std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count());
  };
  // A day early, for peers whose clock is behind.
  if (!ASN1_TIME_set(X509_getm_notBefore(certificate), second(now - kDay)) ||
      !ASN1_TIME_set(X509_getm_notAfter(certificate), second(now + days * kDay)))
    return library_error("validity");
  return {};
}

SecretBytes take_secret(BIO* stream) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(stream, &text);
  return SecretBytes(as_bytes({text, static_cast<std::size_t>(size)}));
}

ossl::Certificate parse(std::string_view pem) {
  if (pem.size() > 1024 * 1024) return nullptr;
  ossl::ErrorScope errors;
  const ossl::Stream stream(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return ossl::Certificate(stream ? PEM_read_bio_X509(stream.get(), nullptr, nullptr, nullptr) : nullptr);
}

Error not_a_certificate() { return Error(Code::kInvalidArgument, "not a PEM certificate"); }

std::string base64(ByteView bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes.data(), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

}  // namespace

Result<Certificate> make_certificate(const std::vector<std::string>& hosts, int days, Timestamp now) {
  if (hosts.empty() || hosts.size() > 100) return Error(Code::kInvalidArgument, "a certificate needs 1 to 100 hosts");
  if (days < 1 || days > 36500) return Error(Code::kInvalidArgument, "a certificate is valid for 1 to 36500 days");
  ossl::ErrorScope errors;
  const ossl::Key key(EVP_EC_gen("P-256"));
  const ossl::Certificate certificate(X509_new());
  if (!key || !certificate || X509_set_version(certificate.get(), kVersion3) != 1 ||
      X509_set_pubkey(certificate.get(), key.get()) != 1)
    return library_error("key");
  TRY(set_serial(certificate.get()));
  TRY(set_validity(certificate.get(), days, now));
  TRY(set_names(certificate.get(), hosts));
  TRY(add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE"));
  TRY(add_extension(certificate.get(), NID_key_usage, "critical,digitalSignature"));
  TRY(add_extension(certificate.get(), NID_ext_key_usage, "serverAuth"));
  TRY(add_extension(certificate.get(), NID_subject_key_identifier, "hash"));
  if (X509_sign(certificate.get(), key.get(), ossl::sha256_algorithm()) <= 0) return library_error("signature");

  const ossl::Stream public_pem(BIO_new(BIO_s_mem())), private_pem(BIO_new(BIO_s_secmem()));
  if (!public_pem || !private_pem || PEM_write_bio_X509(public_pem.get(), certificate.get()) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(private_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return library_error("PEM");
  char* text = nullptr;
  const long size = BIO_get_mem_data(public_pem.get(), &text);
  return Certificate{std::string(text, static_cast<std::size_t>(size)), take_secret(private_pem.get())};
}

Result<std::string> certificate_fingerprint(std::string_view certificate_pem) {
  const ossl::Certificate certificate = parse(certificate_pem);
  unsigned char* der = nullptr;
  const int size = certificate ? i2d_X509(certificate.get(), &der) : -1;
  if (size < 0) return not_a_certificate();
  const Hash256 hash = sha256(ByteView(der, static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  return "sha256:" + hash.hex();
}

Result<std::string> public_key_pin(std::string_view certificate_pem) {
  const ossl::Certificate certificate = parse(certificate_pem);
  unsigned char* der = nullptr;
  const int size = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &der) : -1;
  if (size < 0) return not_a_certificate();
  const Hash256 hash = sha256(ByteView(der, static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  return "sha256//" + base64(hash.view());
}

}  // namespace skymoor::crypto
