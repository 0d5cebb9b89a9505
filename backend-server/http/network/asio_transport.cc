#include "backend-server/http/network/asio_transport.h"

#include <netinet/tcp.h>

#include <boost/asio/completion_condition.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "backend-server/http/network/tls_stream.h"

namespace skymoor::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Socket = asio::ip::tcp::socket;
using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLinger{2};
constexpr std::size_t kMaxLingerBytes = 16u << 20;
constexpr std::size_t kMaxTransferBytes = 1u << 20;

/// Half-open peers must be noticed without waiting for data: TCP asks after 30 s of silence and gives up 30 s later.
void set_socket_options(Socket& socket) {
  error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  int fd = socket.native_handle(), idle_s = 30, interval_s = 10, probes = 3;
  unsigned user_timeout_ms = 60'000;
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
}

/// When one direction of a connection has been too slow.
struct Deadline {
  SteadyClock::time_point at = SteadyClock::time_point::max(), limit = SteadyClock::time_point::max();
  Transport::Milliseconds idle{0};

  void start(Transport::Pace pace) {
    auto now = SteadyClock::now();
    limit = pace.total.count() > 0 ? now + pace.total : SteadyClock::time_point::max();
    idle = pace.idle;
    progress(now);
  }
  void progress(SteadyClock::time_point now) {
    at = std::min(limit, idle.count() > 0 ? now + idle : SteadyClock::time_point::max());
  }
  bool running() const { return at != SteadyClock::time_point::max(); }
  void clear() { at = SteadyClock::time_point::max(); }
};

template <typename Stream>
class AsioTransport final : public Transport, public std::enable_shared_from_this<AsioTransport<Stream>> {
 public:
  template <typename... Arguments>
  explicit AsioTransport(Socket socket, Arguments&... arguments)
      : watch_(socket.get_executor()), timer_(socket.get_executor()), stream_(std::move(socket), arguments...) {
    error_code ignored;
    auto peer = lowest().remote_endpoint(ignored).address();
    if (peer.is_v6() && peer.to_v6().is_v4_mapped())
      peer = asio::ip::make_address_v4(asio::ip::v4_mapped, peer.to_v6());
    if (peer.is_v6()) {
      auto without_scope = peer.to_v6();
      without_scope.scope_id(0);  // "%eth0" is ours, not the peer's
      peer = without_scope;
    }
    remote_address_ = peer.to_string();
    set_socket_options(lowest());
    if constexpr (std::is_same_v<Stream, TlsStream>)
      stream_.on_progress([this] {
        if (write_deadline_.running()) write_deadline_.progress(SteadyClock::now());
      });
  }

  void handshake(Milliseconds timeout, Done done) override {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      start(read_deadline_, {timeout, timeout});
      stream_.async_handshake([this, done = std::move(done)](error_code failure) {
        read_deadline_.clear();
        done(status_of(failure));
      });
    } else {
      (void)timeout;
      done({});
    }
  }

  void read_some(std::span<std::uint8_t> into, Milliseconds timeout, Read read) override {
    start(read_deadline_, {timeout, {}});
    stream_.async_read_some(asio::buffer(into.data(), into.size()),
                            [this, read = std::move(read)](error_code failure, std::size_t size) {
                              end_read_deadline();
                              read(status_of(failure), size);
                            });
  }

  void read_full(std::span<std::uint8_t> into, Pace pace, Read read) override {
    start(read_deadline_, pace);
    asio::async_read(stream_, asio::buffer(into.data(), into.size()), progress_of(read_deadline_, into.size()),
                     [this, read = std::move(read)](error_code failure, std::size_t size) {
                       end_read_deadline();
                       read(status_of(failure), size);
                     });
  }

  void write(ByteView first, ByteView second, Pace pace, Done done) override {
    start(write_deadline_, pace);
    std::array<asio::const_buffer, 2> parts{asio::buffer(first.data(), first.size()),
                                            asio::buffer(second.data(), second.size())};
    asio::async_write(stream_, parts, progress_of(write_deadline_, first.size() + second.size()),
                      [this, done = std::move(done)](error_code failure, std::size_t) {
                        write_deadline_.clear();
                        done(status_of(failure));
                      });
  }

  void finish() override {
    finishing_ = true;
    start(read_deadline_, {kLinger, kLinger});
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      // Without an error the peer has said goodbye too; with one it may still be sending.
      stream_.async_shutdown([self = this->shared_from_this()](error_code failure) {
        if (failure) self->drain();
        else self->close();
      });
    } else {
      drain();
    }
  }

  void close() override {
    error_code ignored;
    lowest().close(ignored);
    watch_.cancel();
    timer_.cancel();
  }

  void after(Milliseconds time, std::function<void()> task) override {
    timer_.expires_after(time);
    timer_.async_wait([weak = this->weak_from_this(), task = std::move(task)](error_code failure) {
      auto self = weak.lock();
      if (!failure && self && self->lowest().is_open()) task();
    });
  }

  void post(std::function<void()> task) override { asio::post(watch_.get_executor(), std::move(task)); }
  const std::string& remote_address() const override { return remote_address_; }

 private:
  Socket& lowest() {
    if constexpr (std::is_same_v<Stream, TlsStream>) return stream_.next_layer();
    else return stream_;
  }

  Status status_of(const error_code& failure) const {
    if (!failure) return {};
    if (timed_out_) return Error(Code::kTimedOut, "the peer was too slow");
    return Error(Code::kUnavailable, "connection: " + failure.message());
  }

  /// Completion condition: goes on until all is transferred, and notes each step.
  static auto progress_of(Deadline& deadline, std::size_t size) {
    return [&deadline, size](const error_code& failure, std::size_t transferred) -> std::size_t {
      if (failure || transferred >= size) return 0;
      if (transferred > 0) deadline.progress(SteadyClock::now());
      return std::min(size - transferred, kMaxTransferBytes);
    };
  }

  /// A read that was under way when `finish` began must not take the farewell's deadline away.
  void end_read_deadline() {
    if (!finishing_) read_deadline_.clear();
  }

  void start(Deadline& deadline, Pace pace) {
    deadline.start(pace);
    watch();
  }

  /// Moving a timer costs more than a transfer: it is only moved to an earlier time, and looks again when it goes off.
  void watch() {
    auto next = std::min(read_deadline_.at, write_deadline_.at);
    if (next == SteadyClock::time_point::max() || (watching_ && watch_.expiry() <= next)) return;
    watching_ = true;
    watch_.expires_at(next);
    watch_.async_wait([weak = this->weak_from_this()](error_code failure) {
      auto self = weak.lock();
      if (failure || !self) return;
      self->watching_ = false;
      if (std::min(self->read_deadline_.at, self->write_deadline_.at) <= SteadyClock::now()) {
        self->timed_out_ = true;
        self->close();
      } else {
        self->watch();
      }
    });
  }

  /// Reads below TLS what still comes, until the peer ends, time is up, or it is too much.
  void drain() {
    error_code ignored;
    if (drained_ == 0) lowest().shutdown(Socket::shutdown_send, ignored);
    lowest().async_read_some(asio::buffer(scratch_),
                             [self = this->shared_from_this()](error_code failure, std::size_t size) {
                               self->drained_ += size;
                               if (failure || self->drained_ > kMaxLingerBytes) return self->close();
                               self->drain();
                             });
  }

  asio::steady_timer watch_, timer_;
  Stream stream_;
  std::string remote_address_;
  bool watching_ = false, timed_out_ = false, finishing_ = false;
  Deadline read_deadline_, write_deadline_;
  std::size_t drained_ = 0;
  std::array<std::uint8_t, 4096> scratch_;
};

}  // namespace

std::shared_ptr<Transport> make_asio_transport(Socket socket, asio::ssl::context* tls) {
  if (tls) return std::make_shared<AsioTransport<TlsStream>>(std::move(socket), *tls);
  return std::make_shared<AsioTransport<Socket>>(std::move(socket));
}

}  // namespace skymoor::server
