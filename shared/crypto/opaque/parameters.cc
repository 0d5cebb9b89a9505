#include "shared/crypto/opaque/parameters.h"

#include "shared/crypto/keys/labels.h"
#include "shared/crypto/primitives/concat.h"
#include "shared/crypto/primitives/openssl_handles.h"

namespace skymoor::crypto::opaque {

namespace {
constexpr std::uint32_t kMaxLogN = 20;  // 1 GiB
constexpr std::uint32_t kBlockFactor = 8;
constexpr std::uint32_t kParallel = 1;
constexpr std::size_t kMaxNameBytes = 1024;
constexpr std::size_t kMaxPasswordBytes = 4096;
constexpr std::uint8_t kSuiteP256Scrypt = 1;
}  // namespace

Stretch scrypt_stretch(std::uint32_t log_n) {
  return [log_n](ByteView input) -> Result<SecretBytes> {
    static constexpr std::uint8_t kSalt[16] = {};
    const std::uint64_t n = std::uint64_t{1} << log_n;
    const std::uint64_t memory = 128 * kBlockFactor * (n + kParallel + 2) + 1024 * 1024;
    SecretBytes out(32);
    ossl::ErrorScope errors;
    if (EVP_PBE_scrypt(reinterpret_cast<const char*>(input.data()), input.size(), kSalt, sizeof kSalt, n, kBlockFactor,
                       kParallel, memory, out.mutable_view().data(), out.size()) != 1)
      return Error(Code::kOutOfMemory, "not enough memory to stretch the password");
    return out;
  };
}

Status check(const Parameters& parameters) {
  if (parameters.scrypt_log_n < 1 || parameters.scrypt_log_n > kMaxLogN)
    return Error(Code::kInvalidArgument, "scrypt cost outside 2^1 to 2^20");
  if (parameters.server_name.size() > kMaxNameBytes || parameters.user_name.size() > kMaxNameBytes)
    return Error(Code::kInvalidArgument, "server or user name too long");
  return {};
}

Bytes handshake_context(const Parameters& parameters) {
  ByteWriter context;
  context.text(labels::kOpaqueContext);
  context.u8(kSuiteP256Scrypt);
  context.u32(parameters.scrypt_log_n);
  context.u32(kBlockFactor);
  context.u32(kParallel);
  context.text(parameters.server_name);
  return context.take();
}

Result<SecretBytes> oprf_input(const Parameters& parameters, ByteView password) {
  TRY(check(parameters));
  if (password.size() > kMaxPasswordBytes) return Error(Code::kInvalidArgument, "password too long");
  const ByteView server = as_bytes(parameters.server_name), user = as_bytes(parameters.user_name);
  return concat_secret({big_endian_16(server.size()), server, big_endian_16(user.size()), user,
                        big_endian_16(password.size()), password});
}

}  // namespace skymoor::crypto::opaque
