#include "shared/crypto/key_hierarchy.h"
#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

RecoveryCode counting_code() {
  RecoveryCode code{SecretBytes(32)};
  for (std::size_t i = 0; i < 32; ++i) code.secret.mutable_view()[i] = static_cast<std::uint8_t>(i);
  return code;
}

TEST(RecoveryCodeTest, TextIsThatOfKeysMd) {  // from a second implementation
  EXPECT_EQ(counting_code().text(), "000G-40R4-0M30-E209-185G-R38E-1W81-24GK-2GAH-C5RR-34D1-P70X-3RFS-MA5K");
}

TEST(RecoveryCodeTest, SigningKeyIsThatOfKeysMd) {
  EXPECT_EQ(hex_of(counting_code().signing_key().seed),
            "e5696d98726aef09e297ac74f0f82a372fd2180bc4cb5624253987fd368f1def");
}

TEST(RecoveryCodeTest, RoundTrip) {
  RepeatableRandom random;
  for (int i = 0; i < 200; ++i) {
    const RecoveryCode code = RecoveryCode::generate(random);
    const auto parsed = RecoveryCode::parse(code.text());
    ASSERT_TRUE(parsed.ok());
    ASSERT_EQ(hex_of(parsed->secret), hex_of(code.secret));
  }
}

TEST(RecoveryCodeTest, ReadsWhatPeopleWrite) {
  const std::string text = counting_code().text();
  std::string lower, bare, spaced = "  ", misread;
  for (char c : text) {
    lower += static_cast<char>(std::tolower(c));
    if (c != '-') bare += c;
    spaced += c == '-' ? std::string(" \n") : std::string(1, c);
    misread += c == '0' ? 'O' : c == '1' ? 'l' : c;
  }
  for (const std::string& written : {lower, bare, spaced, misread}) {
    const auto parsed = RecoveryCode::parse(written);
    ASSERT_TRUE(parsed.ok()) << written;
    EXPECT_EQ(parsed->text(), text);
  }
}

std::string message_for(const std::string& text) {
  const auto parsed = RecoveryCode::parse(text);
  EXPECT_FALSE(parsed.ok()) << text;
  if (parsed.ok()) return {};
  EXPECT_EQ(parsed.error().code(), Code::kInvalidArgument);
  return parsed.error().message();
}

TEST(RecoveryCodeTest, EveryWrongDigitIsFoundAndItsGroupNamed) {
  const std::string text = counting_code().text();
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '-') continue;
    std::string typed = text;
    typed[at] = kDigits[(kDigits.find(text[at]) + 1 + at) % kDigits.size()];
    if (typed == text) continue;
    EXPECT_EQ(message_for(typed), "group " + std::to_string(at / 5 + 1) + " of the recovery code is mistyped");
  }
}

TEST(RecoveryCodeTest, SwappedNeighboursAreFound) {
  const std::string text = counting_code().text();
  for (std::size_t at = 0; at + 1 < text.size(); ++at) {
    if (text[at] == '-' || text[at + 1] == '-' || text[at] == text[at + 1]) continue;
    std::string typed = text;
    std::swap(typed[at], typed[at + 1]);
    EXPECT_EQ(message_for(typed), "group " + std::to_string(at / 5 + 1) + " of the recovery code is mistyped");
  }
}

TEST(RecoveryCodeTest, OtherMistakes) {
  const std::string text = counting_code().text();
  EXPECT_NE(message_for(text.substr(0, text.size() - 1)).find("not 55"), std::string::npos);
  EXPECT_NE(message_for(text + "7").find("not 57"), std::string::npos);
  EXPECT_NE(message_for("").find("not 0"), std::string::npos);
  std::string typed = text;
  typed[11] = 'U';
  EXPECT_EQ(message_for(typed), "group 3 of the recovery code is mistyped");
  typed = text;
  typed[0] = 'Z';
  typed[30] = 'Z';
  EXPECT_EQ(message_for(typed), "the recovery code is mistyped in more than one place");
  message_for(std::string(1'000'000, '0'));
}

TEST(RecoveryCodeTest, MessagesDoNotTellTheCode) {
  const std::string text = counting_code().text();
  std::string typed = text;
  typed[20] = typed[20] == 'Z' ? 'Y' : 'Z';
  const std::string message = message_for(typed);
  for (std::size_t at = 0; at < text.size(); at += 5) EXPECT_EQ(message.find(text.substr(at, 4)), std::string::npos);
}

}  // namespace
}  // namespace skymoor::crypto
