#include "fuse/remote/curl/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>

#include "shared/base/executor.h"

namespace skymoor::client::curl {
namespace {
constexpr std::chrono::milliseconds kFirstLook{10}, kLongestSleep{1000};
constexpr int kEventsAtOnce = 32;
/// Records that each connection may bring before requests are looked at again.
constexpr int kRecordsInTurn = 16;
}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::start(std::size_t max_connections) {
  initialize_library();
  Multi multi(curl_multi_init());
  if (!multi) return Error(Code::kOutOfMemory, "no memory for the HTTP client");
  const long limit = static_cast<long>(std::max<std::size_t>(1, max_connections));
  curl_multi_setopt(multi.get(), CURLMOPT_MAX_TOTAL_CONNECTIONS, limit);
  curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, limit);
  curl_multi_setopt(multi.get(), CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  UniqueFd poll(::epoll_create1(EPOLL_CLOEXEC)), wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake.get();
  if (!poll || !wake || ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0)
    return Error::from_errno(errno, "the HTTP client's event loop");
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(multi), std::move(poll), std::move(wake)));
}

EventLoop::EventLoop(Multi multi, UniqueFd poll, UniqueFd wake)
    : poll_(std::move(poll)), wake_(std::move(wake)), multi_(std::move(multi)), mutex_(kEventLoopRank, "http.event_loop") {
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &EventLoop::on_socket);
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, &EventLoop::on_timer);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
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
  wake();
  thread_.join();
}

void EventLoop::submit(std::shared_ptr<Transfer> transfer) {
  {
    MutexLock lock(mutex_);
    submitted_.push_back(std::move(transfer));
  }
  wake();
}

void EventLoop::cancel(std::shared_ptr<Transfer> transfer) {
  {
    MutexLock lock(mutex_);
    cancelled_.push_back(std::move(transfer));
  }
  wake();
}

void EventLoop::wake() const {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);   // fails only when it is written to already
}

int EventLoop::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  auto* loop = static_cast<EventLoop*>(self);
  const int poll = loop->poll_.get();
  std::erase(loop->reading_, fd);
  std::erase(loop->watched_, fd);
  if (what != CURL_POLL_REMOVE) loop->watched_.push_back(fd);
  if (what & CURL_POLL_IN && what != CURL_POLL_REMOVE) loop->reading_.push_back(fd);
  if (what == CURL_POLL_REMOVE) return (void)::epoll_ctl(poll, EPOLL_CTL_DEL, fd, nullptr), 0;
  epoll_event event{};
  event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
  event.data.fd = fd;
  if (::epoll_ctl(poll, EPOLL_CTL_MOD, fd, &event) == 0) return 0;
  return ::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -1;
}

int EventLoop::on_timer(CURLM*, long after_ms, void* self) {
  std::optional<Instant>& timer = static_cast<EventLoop*>(self)->timer_;
  if (after_ms < 0) timer.reset();
  else timer = SystemClock().monotonic() + std::chrono::milliseconds(after_ms);
  return 0;
}

void EventLoop::run() {
  epoll_event events[kEventsAtOnce];
  while (take_requests()) {
    const int ready = ::epoll_wait(poll_.get(), events, kEventsAtOnce, more_ ? 0 : wait_ms());
    for (int i = 0; i < ready; ++i) serve(events[i].data.fd, events[i].events);
    const Instant now = SystemClock().monotonic();
    if (timer_ && *timer_ <= now) {
      timer_.reset();
      int running = 0;
      more_ = true;   // it may read as well
      curl_multi_socket_action(multi_.get(), CURL_SOCKET_TIMEOUT, 0, &running);
      next_look_ = now + (look_pause_ = kFirstLook);
    } else if (next_look_ <= now) {
      look_at_all();
      next_look_ = now + (look_pause_ = std::min(2 * look_pause_, kLongestSleep));
    }
    read_on();
    reap();
  }
}

int EventLoop::wait_ms() const {
  const Instant until = timer_ ? std::min(*timer_, next_look_) : next_look_;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - SystemClock().monotonic());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, kLongestSleep.count()));
}

/// A time-out may leave libcurl's list a moment before it counts as over (they are reckoned from two looks at the clock, which
/// lie apart on a busy machine), and nothing comes of it then: whatever waits is asked again, soon and then less often.
void EventLoop::look_at_all() {
  more_ = true;
  asked_ = watched_;
  for (int fd : asked_) {
    int running = 0;
    curl_multi_socket_action(multi_.get(), fd, 0, &running);
  }
}

void EventLoop::serve(int fd, std::uint32_t events) {
  if (fd == wake_.get()) {
    std::uint64_t count;
    (void)!::read(fd, &count, sizeof count);
    return;
  }
  const bool broken = events & (EPOLLERR | EPOLLHUP);   // reading or writing tells how
  const int what = (broken || events & EPOLLIN ? CURL_CSELECT_IN : 0) | (broken || events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
  int running = 0;
  more_ = true;
  curl_multi_socket_action(multi_.get(), fd, what, &running);
}

/// Of all sockets, because an action on one of them runs other transfers whose time has come.
void EventLoop::read_on() {
  for (int turn = 0; more_ && turn < kRecordsInTurn; ++turn) {
    const std::uint64_t before = records_;
    asked_ = reading_;
    for (int fd : asked_) {
      int running = 0;
      curl_multi_socket_action(multi_.get(), fd, CURL_CSELECT_IN, &running);
    }
    more_ = records_ != before;
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
    transfer->read_tls_ahead(records_);
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
