#include "fuse/remote/curl/event_loop.h"

#include "shared/base/executor.h"

namespace skymoor::client::curl {
namespace {
constexpr int kLongestSleepMs = 1000;
}

Result<std::unique_ptr<EventLoop>> EventLoop::start(std::size_t max_connections) {
  initialize_library();
  Multi multi(curl_multi_init());
  if (!multi) return Error(Code::kOutOfMemory, "no memory for the HTTP client");
  const long limit = static_cast<long>(std::max<std::size_t>(1, max_connections));
  curl_multi_setopt(multi.get(), CURLMOPT_MAX_TOTAL_CONNECTIONS, limit);
  curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, limit);
  curl_multi_setopt(multi.get(), CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(multi)));
}

EventLoop::EventLoop(Multi multi) : multi_(std::move(multi)), mutex_(kEventLoopRank, "http.event_loop") {
  thread_ = std::thread([this] {
    set_thread_name("http");
    run();
  });
}

EventLoop::~EventLoop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  curl_multi_wakeup(multi_.get());
  thread_.join();
}

void EventLoop::submit(std::shared_ptr<Transfer> transfer) {
  {
    MutexLock lock(mutex_);
    submitted_.push_back(std::move(transfer));
  }
  curl_multi_wakeup(multi_.get());
}

void EventLoop::cancel(std::shared_ptr<Transfer> transfer) {
  {
    MutexLock lock(mutex_);
    cancelled_.push_back(std::move(transfer));
  }
  curl_multi_wakeup(multi_.get());
}

void EventLoop::run() {
  while (take_requests()) {
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    reap();
    curl_multi_poll(multi_.get(), nullptr, 0, kLongestSleepMs, nullptr);
  }
}

bool EventLoop::take_requests() {
  std::vector<std::shared_ptr<Transfer>> submitted, cancelled;
  bool stopping;
  {
    MutexLock lock(mutex_);
    submitted.swap(submitted_);
    cancelled.swap(cancelled_);
    stopping = stopping_;
  }
  for (auto& transfer : submitted) {
    if (CURLMcode rc = curl_multi_add_handle(multi_.get(), transfer->easy()); rc != CURLM_OK)
      transfer->finish(CURLE_OUT_OF_MEMORY);
    else
      running_.emplace(transfer->easy(), std::move(transfer));
  }
  for (const auto& transfer : cancelled) end(transfer);
  if (!stopping) return true;
  while (!running_.empty()) end(std::shared_ptr<Transfer>(running_.begin()->second));
  return false;
}

void EventLoop::end(const std::shared_ptr<Transfer>& transfer) {
  if (running_.erase(transfer->easy()) == 0) return;
  curl_multi_remove_handle(multi_.get(), transfer->easy());
  transfer->finish_cancelled();
}

void EventLoop::reap() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode code = message->data.result;
    auto it = running_.find(easy);
    if (it == running_.end()) continue;
    auto transfer = std::move(it->second);
    running_.erase(it);
    // The caller may free the body as soon as it is told: libcurl must have let go of it.
    curl_multi_remove_handle(multi_.get(), easy);
    transfer->finish(code);
  }
}

}  // namespace skymoor::client::curl
