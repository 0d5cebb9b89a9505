// Conflict names fit into 255 bytes, and what is cut off for that is whole characters of the stem.
#include "fuse/sync/plan/conflict_name.h"

#include <gtest/gtest.h>

#include "shared/model/attributes.h"

namespace skymoor::client {
namespace {

const ConflictTag kTag{"Ada's laptop", Timestamp{std::chrono::hours(24 * 20000)}, {WriterId{0x1f}, 0x77}, 0};
constexpr std::string_view kSuffix = " (conflict Ada's laptop 2024-10-04 1f-77)";

/// Whole characters from the first byte to the last; not a whole validator.
bool whole_characters(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t size = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
    if (size == 0 || at + size > text.size()) return false;
    for (std::size_t i = 1; i < size; ++i)
      if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return false;
    at += size;
  }
  return true;
}

std::string repeated(std::string_view character, std::size_t bytes) {
  std::string text;
  while (text.size() + character.size() <= bytes) text += character;
  return text;
}

/// Characters of 1 to 4 bytes, stems of every length and shifted against the cut, with and without an extension.
TEST(ConflictName, IsCutAtACharacterOfTheStem) {
  int cuts = 0;
  for (const char* character : {"x", "\u00e9", "\u20ac", "\U0001F600"})
    for (std::size_t shift = 0; shift < 4; ++shift)
      for (std::size_t bytes = 1; bytes <= 255; ++bytes)
        for (const char* extension : {"", ".txt", ".\u00e9\u20ac", ".tar.gz"}) {
          const std::string stem = std::string(shift, 'a') + repeated(character, bytes);
          const std::string name = stem + extension;
          if (stem.empty() || name.size() > kMaxNameBytes) continue;
          const std::string made = conflict_name(name, false, kTag);
          const std::string_view kept_extension = std::string_view(extension) == ".tar.gz" ? ".gz" : extension;
          const std::string end = std::string(kSuffix) + std::string(kept_extension);
          ASSERT_LE(made.size(), kMaxNameBytes) << name;
          ASSERT_TRUE(whole_characters(made)) << name << " became " << made;
          ASSERT_TRUE(made.ends_with(end)) << made;
          const std::string kept = made.substr(0, made.size() - end.size());
          const std::string whole = name.substr(0, name.size() - kept_extension.size());
          ASSERT_TRUE(whole.starts_with(kept)) << made;
          if (kept != whole) {
            ++cuts;
            ASSERT_GT(made.size() + 4, kMaxNameBytes) << "no more than needed: " << made;
          } else {
            ASSERT_EQ(made.size(), whole.size() + end.size());
          }
        }
  EXPECT_GT(cuts, 1000);
}

TEST(ConflictName, OfBytesThatAreNoCharactersIsCutToTheByte) {
  for (const char* byte : {"\x80", "\xbf", "\xff"}) {
    const std::string made = conflict_name(repeated(byte, 255), false, kTag);
    EXPECT_EQ(made.size(), kMaxNameBytes);
    EXPECT_TRUE(made.ends_with(kSuffix));
  }
  // Four or more bytes of continuation in a row are no character: cut anywhere, the rest stays short enough.
  const std::string made = conflict_name("\xF0" + repeated("\x80", 254), false, kTag);
  EXPECT_EQ(made.size(), kMaxNameBytes);
}

TEST(ConflictName, OfADirectoryKeepsNoExtension) {
  const std::string name = repeated("\u00e9", 250) + ".d";
  const std::string made = conflict_name(name, true, kTag);
  EXPECT_LE(made.size(), kMaxNameBytes);
  EXPECT_TRUE(made.ends_with(kSuffix));
  EXPECT_TRUE(whole_characters(made));
  EXPECT_EQ(conflict_name("a.d", true, kTag), "a.d" + std::string(kSuffix));
}

/// What is no extension for its length belongs to the stem, and may go.
TEST(ConflictName, KeepsAnExtensionOfAtMost32Bytes) {
  for (std::size_t length : {31u, 32u, 33u}) {
    const std::string extension = "." + std::string(length - 1, 'e');
    const std::string made = conflict_name(std::string(200, 's') + extension, false, kTag);
    EXPECT_LE(made.size(), kMaxNameBytes);
    EXPECT_EQ(made.ends_with(std::string(kSuffix) + extension), length <= 32) << made;
  }
}

TEST(ConflictName, NeverLosesItsIdToALongDevice) {
  for (const char* character : {"x", "\u00e9", "\u20ac", "\U0001F600"}) {
    const std::string device = repeated(character, 1000);
    const ConflictTag tag{device, kTag.time, {WriterId{0xffffff}, UINT64_MAX}, 4'000'000'000u};
    const std::string made = conflict_name(repeated("\U0001F600", 251) + ".xyz", false, tag);
    EXPECT_LE(made.size(), kMaxNameBytes);
    EXPECT_TRUE(whole_characters(made)) << made;
    EXPECT_TRUE(made.ends_with(" 2024-10-04 ffffff-ffffffffffffffff-4000000000).xyz")) << made;
    EXPECT_TRUE(is_conflict_name(made));
  }
}

/// Cut or not, the suffix of an earlier conflict gives way to that of the next.
TEST(ConflictName, IsReplacedAndNotStacked) {
  ConflictTag next = kTag;
  next.op.counter = 0x78;
  for (std::size_t bytes : {10u, 200u, 255u})
    for (const char* extension : {"", ".txt"}) {
      std::string name = repeated("\u20ac", bytes - std::string_view(extension).size()) + extension;
      const std::string once = conflict_name(name, false, kTag);
      EXPECT_TRUE(is_conflict_name(once));
      EXPECT_EQ(conflict_name(once, false, next), conflict_name(name, false, next));
      EXPECT_NE(conflict_name(once, false, next), once);
    }
}

}  // namespace
}  // namespace skymoor::client
