#include "tests/support/failing_memory.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<bool> armed{false}, onwards{false}, has_fired{false};
std::atomic<std::uint64_t> wanted{0}, counted{0};
std::atomic<std::int64_t> room{0};
thread_local int elsewhere = 0;
constexpr std::int64_t kRoomBytes = 16 << 20;

bool out_of_memory(std::size_t size) {
  if (!armed.load(std::memory_order_relaxed) || elsewhere > 0) return false;
  const std::uint64_t number = ++counted;
  if (onwards ? number < wanted : number != wanted) return false;
  has_fired = true;
  return !onwards || room.fetch_sub(static_cast<std::int64_t>(size)) < static_cast<std::int64_t>(size);
}

}  // namespace

void* operator new(std::size_t size) {
  for (;;) {
    const bool out = out_of_memory(size);
    if (!out)
      if (void* found = std::malloc(size ? size : 1)) return found;
    const std::new_handler handler = std::get_new_handler();
    if (!handler) throw std::bad_alloc();
    handler();
    if (out && onwards) room = kRoomBytes;
  }
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace skymoor::testing {

FailingMemory::FailingMemory(std::uint64_t nth, bool from_then_on) {
  wanted = nth;
  counted = 0;
  room = 0;
  onwards = from_then_on;
  has_fired = false;
  armed = true;
}
FailingMemory::~FailingMemory() { armed = false; }
bool FailingMemory::fired() const { return has_fired; }
OtherMemory::OtherMemory() { ++elsewhere; }
OtherMemory::~OtherMemory() { --elsewhere; }

}  // namespace skymoor::testing
