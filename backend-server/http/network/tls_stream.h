// Private to the room: a TLS connection as an Asio stream.
#pragma once
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <vector>

#include "backend-server/http/network/tls_engine.h"

namespace skymoor::server {

/// What asio::ssl::stream does for a server, with up to 256 KiB for each call to the socket instead of one record. Lives on
/// one I/O thread; one read, one write and one shutdown at a time; stays alive until their handlers are called or dropped.
class TlsStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;
  using error_code = boost::system::error_code;

  TlsStream(Socket socket, boost::asio::ssl::context& context)
      : socket_(std::move(socket)), engine_(context.native_handle()) {}
  Socket& next_layer() { return socket_; }
  executor_type get_executor() { return socket_.get_executor(); }
  /// Called whenever the socket has taken some bytes: a write of this stream may be many of those.
  void on_progress(std::function<void()> call) { progress_ = std::move(call); }

  /// `handler(error_code)`.
  template <typename Handler>
  void async_handshake(Handler handler) {
    const TlsEngine::Step step = engine_.handshake();
    go_on(step, std::move(handler), [this](Handler again) { async_handshake(std::move(again)); });
  }
  template <typename Handler>
  void async_shutdown(Handler handler) {
    const TlsEngine::Step step = engine_.shutdown();
    go_on(step, std::move(handler), [this](Handler again) { async_shutdown(std::move(again)); });
  }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler handler) {
    boost::asio::mutable_buffer into;
    for (auto it = boost::asio::buffer_sequence_begin(buffers); it != boost::asio::buffer_sequence_end(buffers); ++it)
      if (into = *it; into.size() > 0) break;
    read({static_cast<std::uint8_t*>(into.data()), into.size()}, std::move(handler), false);
  }

  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler handler) {
    std::size_t sealed = 0;
    for (auto it = boost::asio::buffer_sequence_begin(buffers); it != boost::asio::buffer_sequence_end(buffers); ++it) {
      const boost::asio::const_buffer part = *it;
      const std::size_t size = std::min(part.size(), kMaxSealedBytes - sealed);
      const TlsEngine::Step step = engine_.write({static_cast<const std::uint8_t*>(part.data()), size});
      if (step.failure || step.bytes < size) {
        const error_code failure = step.failure ? step.failure : boost::asio::error::connection_reset;
        return boost::asio::post(get_executor(), [handler = std::move(handler), failure]() mutable { handler(failure, 0); });
      }
      sealed += size;
      if (sealed == kMaxSealedBytes) break;
    }
    flush([sealed, handler = std::make_shared<Handler>(std::move(handler))](error_code failure) {
      (*handler)(failure, failure ? 0 : sealed);
    });
  }

 private:
  using Then = std::function<void(error_code)>;
  static constexpr std::size_t kMaxSealedBytes = 256 * 1024;

  /// After a step of the handshake or of the farewell: sends what it made, then ends, or reads and does the next.
  template <typename Handler, typename Again>
  void go_on(const TlsEngine::Step& step, Handler handler, Again again) {
    auto shared = std::make_shared<Handler>(std::move(handler));
    flush([this, step, shared, again](error_code failure) {
      if (step.failure || failure) return (*shared)(step.failure ? step.failure : failure);
      if (!step.wants_input) return (*shared)(error_code());
      receive([shared, again](error_code lost) {
        if (lost) return (*shared)(lost);
        again(std::move(*shared));
      });
    });
  }

  /// `called`: this is inside a callback of ours already, and may call the handler at once.
  template <typename Handler>
  void read(std::span<std::uint8_t> into, Handler handler, bool called) {
    const TlsEngine::Step step = engine_.read(into);
    // A new key that the peer asks for goes out with the next answer; an alert says why this is the end.
    if (step.failure && engine_.has_output()) {
      flush([step, shared = std::make_shared<Handler>(std::move(handler))](error_code) { (*shared)(step.failure, 0); });
    } else if (step.wants_input) {
      receive([this, into, shared = std::make_shared<Handler>(std::move(handler))](error_code failure) {
        if (failure) return (*shared)(failure, 0);
        read(into, std::move(*shared), true);
      });
    } else if (called) {
      handler(step.failure, step.bytes);
    } else {
      boost::asio::post(get_executor(), [handler = std::move(handler), step]() mutable { handler(step.failure, step.bytes); });
    }
  }

  /// Reads from the socket once; all who wait for that are called.
  void receive(Then then) {
    receivers_.push_back(std::move(then));
    if (receivers_.size() > 1) return;
    const auto room = engine_.input_room();
    socket_.async_read_some(boost::asio::buffer(room.data(), room.size()), [this](error_code failure, std::size_t size) {
      if (!failure) engine_.input_came(size);
      for (Then& one : std::exchange(receivers_, {})) one(failure);
    });
  }

  /// Calls `then` when everything that was sealed before is sent.
  void flush(Then then) {
    flushers_.push_back(std::move(then));
    if (!sending_) send();
  }
  void send() {
    sending_ = true;
    const ByteView bytes = engine_.begin_sending();
    auto done = [this, waiting = std::exchange(flushers_, {})](error_code failure, std::size_t) {
      engine_.sent();
      sending_ = false;
      if (!flushers_.empty()) send();
      for (const Then& one : waiting) one(failure);
    };
    if (bytes.empty()) return boost::asio::post(get_executor(), [done = std::move(done)]() mutable { done({}, 0); });
    auto more = [this, size = bytes.size()](const error_code& failure, std::size_t so_far) -> std::size_t {
      if (progress_ && so_far > 0) progress_();
      return failure ? 0 : size - so_far;
    };
    boost::asio::async_write(socket_, boost::asio::buffer(bytes.data(), bytes.size()), more, std::move(done));
  }

  Socket socket_;
  TlsEngine engine_;
  std::function<void()> progress_;
  bool sending_ = false;
  std::vector<Then> receivers_, flushers_;
};

}  // namespace skymoor::server
