// Recovery code: 32 secret bytes and 3 checksum bytes are 280 bits, which is exactly 14 groups of 4 base32 digits. The
// digits are Crockford's: no I, L, O or U, so that what a person misreads can be read back.
#include <algorithm>
#include <array>
#include <vector>

#include "shared/base/clock.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/key_hierarchy.h"
#include "shared/crypto/keys/labels.h"

namespace skymoor::crypto {

namespace {

constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kChecksumBytes = 3;
constexpr std::size_t kGroupDigits = 4;
constexpr std::size_t kCodeDigits = (kSecretBytes + kChecksumBytes) * 8 / 5;

using Digits = std::array<std::uint8_t, kCodeDigits>;

SecretBytes pack(const Digits& digits) {
  SecretBytes out(kSecretBytes + kChecksumBytes);
  std::uint32_t bits = 0;
  int count = 0;
  std::size_t at = 0;
  for (std::uint8_t digit : digits) {
    bits = bits << 5 | digit;
    if ((count += 5) >= 8) out.mutable_view()[at++] = static_cast<std::uint8_t>(bits >> (count -= 8));
  }
  return out;
}

Hash256 checksum(ByteView secret) { return sha256({as_bytes(labels::kRecoveryChecksum), secret}); }

bool is_consistent(const Digits& digits) {
  const SecretBytes packed = pack(digits);
  const Hash256 sum = checksum(packed.view().first(kSecretBytes));
  return constant_time_equal(packed.view().last(kChecksumBytes), sum.view().first(kChecksumBytes));
}

int digit_of(char c) {
  if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  if (c == 'O') c = '0';
  if (c == 'I' || c == 'L') c = '1';
  const std::size_t at = kDigits.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

Error mistyped_group(std::size_t digit) {
  return Error(Code::kInvalidArgument,
               "group " + std::to_string(digit / kGroupDigits + 1) + " of the recovery code is mistyped");
}

// The digits whose change alone would make the code consistent: one wrong digit, or it and its right neighbour swapped.
std::vector<std::size_t> suspects(Digits digits) {
  std::vector<std::size_t> found;
  for (std::size_t at = 0; at < kCodeDigits; ++at) {
    const std::uint8_t typed = digits[at];
    for (std::uint8_t other = 0; other < kDigits.size(); ++other) {
      digits[at] = other;
      if (other != typed && is_consistent(digits)) found.push_back(at);
    }
    digits[at] = typed;
    if (at + 1 == kCodeDigits) break;
    std::swap(digits[at], digits[at + 1]);
    if (digits[at] != typed && is_consistent(digits)) found.push_back(at);
    std::swap(digits[at], digits[at + 1]);
  }
  return found;
}

Result<Digits> read_digits(std::string_view text) {
  Digits digits{};
  std::size_t count = 0;
  for (char c : text) {
    if (c == ' ' || c == '-' || c == '\t' || c == '\n' || c == '\r') continue;
    const int digit = digit_of(c);
    if (digit < 0 && count < kCodeDigits) return mistyped_group(count);
    if (count < kCodeDigits) digits[count] = static_cast<std::uint8_t>(digit);
    ++count;
  }
  if (count == kCodeDigits) return digits;
  return Error(Code::kInvalidArgument,
               "the recovery code has " + std::to_string(kCodeDigits) + " characters, not " + std::to_string(count));
}

}  // namespace

RecoveryCode RecoveryCode::generate(Random& random) {
  RecoveryCode code{SecretBytes(kSecretBytes)};
  random.fill(code.secret.mutable_view());
  return code;
}

std::string RecoveryCode::text() const {
  const Hash256 sum = checksum(secret.view());
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  const auto put = [&](std::uint8_t byte) {
    bits = bits << 8 | byte;
    count += 8;
    while (count >= 5) {
      if (out.size() % (kGroupDigits + 1) == kGroupDigits) out += '-';
      out += kDigits[bits >> (count -= 5) & 31];
    }
  };
  for (std::uint8_t byte : secret.view()) put(byte);
  for (std::uint8_t byte : sum.view().first(kChecksumBytes)) put(byte);
  return out;
}

KeyPair RecoveryCode::signing_key() const {
  return ed25519_from_seed(hkdf_expand(secret.view(), as_bytes(labels::kRecoverySigning), 32).view());
}

Result<RecoveryCode> RecoveryCode::parse(std::string_view text) {
  const Digits digits = TRY(read_digits(text));
  if (is_consistent(digits)) return RecoveryCode{SecretBytes(pack(digits).view().first(kSecretBytes))};
  const std::vector<std::size_t> found = suspects(digits);
  if (found.size() == 1) return mistyped_group(found[0]);
  return Error(Code::kInvalidArgument, "the recovery code is mistyped in more than one place");
}

}  // namespace skymoor::crypto
