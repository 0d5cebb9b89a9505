#include "shared/crypto/secret.h"

#include <cstdlib>
#include <new>

#include "tests/unit/shared_crypto/inputs.h"

namespace {

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";
const void* watched = nullptr;                   // the buffer whose last contents are kept
std::array<std::uint8_t, kSecret.size()> freed;  // its bytes at the moment it was freed

void free_watched(void* memory) {
  if (memory && memory == watched) {
    std::memcpy(freed.data(), memory, freed.size());
    watched = nullptr;
  }
  std::free(memory);
}

}  // namespace

// Reading freed memory is undefined; looking at it on its way back is not.
void* operator new(std::size_t size) {
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { free_watched(memory); }
void operator delete(void* memory, std::size_t) noexcept { free_watched(memory); }

namespace skymoor::crypto {
namespace {

TEST(SecretBytesTest, CopiesOnlyOnPurpose) {
  static_assert(!std::is_copy_constructible_v<SecretBytes> && !std::is_copy_assignable_v<SecretBytes>);
  const SecretBytes secret(as_bytes("key material"));
  const SecretBytes copy = secret.clone();
  EXPECT_EQ(as_text(copy.view()), "key material");
  EXPECT_NE(copy.view().data(), secret.view().data());
}

TEST(SecretBytesTest, MoveLeavesNothingBehind) {
  SecretBytes secret(as_bytes("key material"));
  SecretBytes other(std::move(secret));
  EXPECT_TRUE(secret.empty());  // NOLINT: looks at what the move left
  secret = std::move(other);
  EXPECT_TRUE(other.empty());  // NOLINT
  EXPECT_EQ(as_text(secret.view()), "key material");
}

TEST(SecretBytesTest, AdoptTakesTheBufferOver) {
  Bytes bytes = to_bytes("key material");
  const std::uint8_t* place = bytes.data();
  const SecretBytes secret = SecretBytes::adopt(std::move(bytes));
  EXPECT_EQ(secret.view().data(), place);
}

TEST(SecretBytesTest, AssignmentToItselfKeepsIt) {
  SecretBytes secret(as_bytes("key material"));
  SecretBytes& same = secret;
  secret = std::move(same);
  EXPECT_EQ(as_text(secret.view()), "key material");
}

TEST(SecretBytesTest, WipesBeforeItsMemoryGoesBack) {
  {
    SecretBytes secret(as_bytes(kSecret));
    watched = secret.view().data();
  }
  EXPECT_EQ(watched, nullptr) << "the buffer was not freed";
  EXPECT_EQ(as_text(freed), std::string(kSecret.size(), '\0'));
}

TEST(SecretBytesTest, WipesWhatItHeldWhenAssigned) {
  SecretBytes secret(as_bytes(kSecret));
  watched = secret.view().data();
  secret = SecretBytes(as_bytes("another"));
  EXPECT_EQ(watched, nullptr) << "the buffer was not freed";
  EXPECT_EQ(as_text(freed), std::string(kSecret.size(), '\0'));
}

}  // namespace
}  // namespace skymoor::crypto
