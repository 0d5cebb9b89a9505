#include "fuse/channel/readers.h"

#include <signal.h>

#include <system_error>

#include "fuse/channel/lock_ranks.h"
#include "shared/base/log.h"

namespace skymoor::client {

Readers::Readers() : mutex_(kChannelThreadsRank, "channel.threads") {}

void Readers::start(std::size_t count, std::function<void(Reader&)> serve) {
  count_ = count;
  serve_ = std::move(serve);
  MutexLock lock(mutex_);
  while (readers_.size() < count_) add(lock);
}

void Readers::add(const MutexLock&) {
  Reader& made = readers_.emplace_back("fuse-" + std::to_string(made_++));
  ++running_;
  try {
    made.thread_ = std::thread([this, &made] {
      serve_(made);
      MutexLock lock(mutex_);
      made.ended_ = true;
      --running_;
    });
  } catch (const std::system_error&) {
    readers_.pop_back();
    --running_;
    if (readers_.empty()) throw;
  }
}

void Readers::look(Instant now) {
  MutexLock lock(mutex_);
  readers_.remove_if([](Reader& reader) {
    if (reader.ended_) reader.thread_.join();
    return reader.ended_;
  });
  std::size_t staying = 0;
  bool all_stuck = true;
  for (Reader& reader : readers_) {
    const std::uint64_t beats = reader.beats_.load(std::memory_order_relaxed);
    if (beats % 2 == 0 || beats != reader.seen_) reader.since_ = now;
    reader.seen_ = beats;
    all_stuck = all_stuck && now - reader.since_ >= kPatience;
    if (!reader.leaving_) ++staying;
  }
  surplus_ = all_stuck || staying < count_ ? 0 : staying - count_;
  if (!all_stuck || readers_.size() >= count_ + kSpares) return;
  log_debug("channel.one_more_reader", {{"all", readers_.size() + 1}});
  add(lock);
}

bool Readers::may_leave(Reader& reader) {
  if (surplus_.load(std::memory_order_relaxed) == 0) return false;
  MutexLock lock(mutex_);
  if (surplus_ == 0) return false;
  --surplus_;
  reader.leaving_ = true;
  return true;
}

void Readers::signal(int number) {
  MutexLock lock(mutex_);
  for (Reader& reader : readers_)
    if (!reader.ended_) pthread_kill(reader.thread_.native_handle(), number);
}

void Readers::join() {
  std::list<Reader> all;
  {
    MutexLock lock(mutex_);
    all.swap(readers_);
  }
  for (Reader& reader : all) reader.thread_.join();
}

}  // namespace skymoor::client
