#include "shared/base/must_finish.h"

#include <atomic>
#include <cstdlib>
#include <ctime>

namespace skymoor {
namespace {

constexpr std::size_t kReserveBytes = 16u << 20;

// Of the process, as its memory is.
std::atomic<void*> reserve{nullptr};
std::new_handler handler_before = nullptr;
thread_local int finishing = 0;

/// Called by operator new when there is no memory: it tries again when this returns. Source: [new.delete.single].
void make_room() {
  if (finishing > 0)
    if (void* kept = reserve.exchange(nullptr)) return std::free(kept);
  if (handler_before) return handler_before();
  throw std::bad_alloc();
}

}  // namespace

Status MustFinish::ready() {
  static const bool installed = (handler_before = std::set_new_handler(make_room), true);
  (void)installed;
  if (reserve.load()) return {};
  void* fresh = std::malloc(kReserveBytes);
  if (!fresh) return error_of(std::bad_alloc());
  void* none = nullptr;
  if (!reserve.compare_exchange_strong(none, fresh)) std::free(fresh);
  return {};
}

MustFinish::MustFinish() noexcept { ++finishing; }
MustFinish::~MustFinish() { --finishing; }

Error error_of(const std::exception& exception) noexcept {
  try {
    if (!dynamic_cast<const std::bad_alloc*>(&exception))
      return Error(Code::kInternal, std::string("unexpected: ") + exception.what());
  } catch (const std::exception&) {
  }
  return Error(Code::kOutOfMemory, "no memory");   // short enough for a string to hold in itself
}

void wait_for_memory() noexcept {
  const timespec pause{0, 1'000'000};
  (void)::nanosleep(&pause, nullptr);
}

}  // namespace skymoor
