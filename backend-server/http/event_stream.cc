#include "backend-server/http/event_stream.h"

#include "backend-server/http/lock_ranks.h"

namespace skymoor::server {

EventStream::EventStream() : mutex_(kEventStreamRank, "event stream") {}

bool EventStream::send(std::string text) { return push(std::move(text), false); }
bool EventStream::send_latest(std::string text) { return push(std::move(text), true); }

bool EventStream::push(std::string text, bool replace) {
  MutexLock lock(mutex_);
  if (closed_) return false;
  if (replace) {
    queue_.clear();
    queued_bytes_ = 0;
  }
  if (queued_bytes_ + text.size() > kMaxQueuedBytes) {
    closed_ = true;
  } else {
    queued_bytes_ += text.size();
    queue_.push_back(std::move(text));
  }
  if (wake_) wake_();
  return !closed_;
}

void EventStream::close() {
  MutexLock lock(mutex_);
  if (closed_) return;
  closed_ = true;
  if (wake_) wake_();
}

bool EventStream::closed() const {
  MutexLock lock(mutex_);
  return closed_;
}

void EventStream::attach(std::function<void()> wake) {
  MutexLock lock(mutex_);
  wake_ = std::move(wake);
  if (closed_ || !queue_.empty()) wake_();
}

void EventStream::detach() {
  MutexLock lock(mutex_);
  closed_ = true;
  wake_ = nullptr;
  queue_.clear();
}

std::string EventStream::take() {
  MutexLock lock(mutex_);
  std::string all;
  for (std::string& text : queue_) all += text;
  queue_.clear();
  queued_bytes_ = 0;
  return all;
}

std::string format_event(std::string_view name, std::string_view data) {
  std::string out = "event: " + std::string(name) + "\n";
  for (;;) {
    auto end = data.find('\n');
    out += "data: " + std::string(data.substr(0, end)) + "\n";
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + 1);
  }
  return out + "\n";
}

}  // namespace skymoor::server
