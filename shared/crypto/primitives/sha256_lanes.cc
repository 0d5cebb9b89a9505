// The rounds of SHA-256 wait for each other: one message keeps half of the processor's unit for them idle, two fill it.
// Source: FIPS 180-4; Intel SHA Extensions (July 2013) for what the instructions compute.
#include "shared/crypto/primitives/sha256_lanes.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace skymoor::crypto::lanes {

#if defined(__x86_64__)

namespace {

#define SKYMOOR_SHA __attribute__((target("sha,sse4.1,ssse3")))

constexpr std::size_t kBlockBytes = 64;

alignas(16) constexpr std::uint32_t kRoundConstants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/// The eight state words in the order in which the instructions want them.
struct State {
  __m128i abef, cdgh;
};

SKYMOOR_SHA State start() {
  return {_mm_set_epi32(0x6a09e667, static_cast<int>(0xbb67ae85), 0x510e527f, static_cast<int>(0x9b05688c)),
          _mm_set_epi32(0x3c6ef372, static_cast<int>(0xa54ff53a), 0x1f83d9ab, 0x5be0cd19)};
}

/// Takes `blocks` blocks of each lane into its state.
template <int kLanes>
SKYMOOR_SHA void compress(State* const (&states)[kLanes], const std::uint8_t* const (&data)[kLanes], std::size_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  const std::uint8_t* at[kLanes];
  __m128i abef[kLanes], cdgh[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    at[lane] = data[lane];
    abef[lane] = states[lane]->abef;
    cdgh[lane] = states[lane]->cdgh;
  }
  for (; blocks > 0; --blocks) {
    __m128i w[kLanes][4];
    for (int lane = 0; lane < kLanes; ++lane) {
      states[lane]->abef = abef[lane];
      states[lane]->cdgh = cdgh[lane];
    }
#pragma GCC unroll 16
    for (int step = 0; step < 16; ++step) {  // four rounds each
      const __m128i k = _mm_load_si128(reinterpret_cast<const __m128i*>(kRoundConstants + 4 * step));
#pragma GCC unroll 2
      for (int lane = 0; lane < kLanes; ++lane) {
        __m128i& now = w[lane][step % 4];
        if (step < 4) {
          now = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at[lane] + 16 * step)), swap);
        } else {
          const __m128i last = w[lane][(step + 3) % 4];
          now = _mm_sha256msg1_epu32(now, w[lane][(step + 1) % 4]);
          now = _mm_add_epi32(now, _mm_alignr_epi8(last, w[lane][(step + 2) % 4], 4));
          now = _mm_sha256msg2_epu32(now, last);
        }
        const __m128i sum = _mm_add_epi32(now, k);
        cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], sum);
        abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], _mm_shuffle_epi32(sum, 0x0e));
      }
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      abef[lane] = _mm_add_epi32(abef[lane], states[lane]->abef);
      cdgh[lane] = _mm_add_epi32(cdgh[lane], states[lane]->cdgh);
      at[lane] += kBlockBytes;
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    states[lane]->abef = abef[lane];
    states[lane]->cdgh = cdgh[lane];
  }
}

SKYMOOR_SHA Hash256 digest_of(const State& state) {
  alignas(16) std::uint32_t abef[4], cdgh[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(abef), state.abef);
  _mm_store_si128(reinterpret_cast<__m128i*>(cdgh), state.cdgh);
  const std::uint32_t words[8] = {abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]};
  Hash256 digest;
  for (std::size_t i = 0; i < 32; ++i) digest.value[i] = static_cast<std::uint8_t>(words[i / 4] >> (24 - 8 * (i % 4)));
  return digest;
}

/// A message on its way through one lane, as runs of whole blocks: a first block that joins prefix and body, those that
/// lie in the body, and the padded end.
struct Lane {
  SKYMOOR_SHA void begin(const HashedMessage& message, std::size_t number) {
    index = number;
    state = start();
    run = 0;
    const std::size_t total = message.prefix.size() + message.body.size();
    ByteView rest = message.body;
    const bool joined = !message.prefix.empty() && total >= kBlockBytes;
    std::copy(message.prefix.begin(), message.prefix.end(), joined ? head : tail);
    std::size_t size = joined ? 0 : message.prefix.size();
    if (joined) {
      const std::size_t from_body = kBlockBytes - message.prefix.size();
      std::memcpy(head + message.prefix.size(), rest.data(), from_body);
      rest = rest.subspan(from_body);
    }
    const std::size_t whole = rest.size() / kBlockBytes;
    runs[0] = {head, joined ? 1u : 0u};
    runs[1] = {rest.data(), whole};
    rest = rest.subspan(whole * kBlockBytes);
    if (!rest.empty()) std::memcpy(tail + size, rest.data(), rest.size());
    size += rest.size();
    const std::size_t end = size + 9 <= kBlockBytes ? kBlockBytes : 2 * kBlockBytes;
    std::memset(tail + size, 0, end - size);
    tail[size] = 0x80;
    const std::uint64_t bits = std::uint64_t{total} * 8;
    for (std::size_t i = 0; i < 8; ++i) tail[end - 1 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
    runs[2] = {tail, end / kBlockBytes};
    skip_empty();
  }
  void skip_empty() {
    while (run < 3 && runs[run].blocks == 0) ++run;
  }
  void took(std::size_t blocks) {
    runs[run].data += blocks * kBlockBytes;
    runs[run].blocks -= blocks;
    skip_empty();
  }
  bool busy() const { return run < 3; }

  struct Run {
    const std::uint8_t* data = nullptr;
    std::size_t blocks = 0;
  };
  State state;
  Run runs[3];
  std::size_t run = 3, index = SIZE_MAX;   ///< nothing yet
  alignas(16) std::uint8_t head[kBlockBytes];
  alignas(16) std::uint8_t tail[2 * kBlockBytes];
};

}  // namespace

bool available() {
  static const bool yes = [] {
    __builtin_cpu_init();
    unsigned a = 7, b = 0, c = 0, d = 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    const bool sha = b >> 29 & 1;
    return sha && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
  }();
  return yes;
}

SKYMOOR_SHA void hash_all(std::span<const HashedMessage> messages, std::span<Hash256> digests) {
  Lane a, b;
  std::size_t next = 0;
  while (true) {
    for (Lane* lane : {&a, &b})
      if (!lane->busy() && next < messages.size()) {
        lane->begin(messages[next], next);
        ++next;
      }
    if (!a.busy() && !b.busy()) return;
    if (a.busy() && b.busy()) {
      const std::size_t blocks = std::min(a.runs[a.run].blocks, b.runs[b.run].blocks);
      State* const states[2] = {&a.state, &b.state};
      const std::uint8_t* const data[2] = {a.runs[a.run].data, b.runs[b.run].data};
      compress<2>(states, data, blocks);
      a.took(blocks);
      b.took(blocks);
    } else {
      Lane& one = a.busy() ? a : b;
      const std::size_t blocks = one.runs[one.run].blocks;
      State* const states[1] = {&one.state};
      const std::uint8_t* const data[1] = {one.runs[one.run].data};
      compress<1>(states, data, blocks);
      one.took(blocks);
    }
    for (const Lane* lane : {&a, &b})
      if (!lane->busy() && lane->index < messages.size()) digests[lane->index] = digest_of(lane->state);
  }
}

#undef SKYMOOR_SHA

#else

bool available() { return false; }
void hash_all(std::span<const HashedMessage>, std::span<Hash256>) {}

#endif

}  // namespace skymoor::crypto::lanes
