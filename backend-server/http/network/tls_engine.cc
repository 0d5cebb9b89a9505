#include "backend-server/http/network/tls_engine.h"

#include <openssl/err.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cstring>
#include <new>

namespace skymoor::server {
namespace {

/// An idle connection keeps the small one; one that moves bulk data gets the large one.
constexpr std::size_t kSmallBufferBytes = 18 * 1024, kLargeBufferBytes = 256 * 1024;

}  // namespace

BIO_METHOD* TlsEngine::method() {
  static BIO_METHOD* const made = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "skymoor buffers");
    if (!m) throw std::bad_alloc();
    BIO_meth_set_read(m, &TlsEngine::read_input);
    BIO_meth_set_write(m, &TlsEngine::write_output);
    BIO_meth_set_ctrl(m, &TlsEngine::control);
    return m;
  }();
  return made;
}

TlsEngine::TlsEngine(SSL_CTX* context) : ssl_(SSL_new(context)), input_(kSmallBufferBytes) {
  BIO* bio = ssl_ ? BIO_new(method()) : nullptr;
  if (!bio) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_set_accept_state(ssl_.get());
}

int TlsEngine::read_input(BIO* bio, char* into, int size) {
  auto* self = static_cast<TlsEngine*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const std::size_t n = std::min<std::size_t>(static_cast<std::size_t>(size), self->input_end_ - self->input_begin_);
  if (n == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  std::memcpy(into, self->input_.data() + self->input_begin_, n);
  self->input_begin_ += n;
  return static_cast<int>(n);
}

int TlsEngine::write_output(BIO* bio, const char* from, int size) {
  auto* self = static_cast<TlsEngine*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  append(self->output_, as_bytes({from, static_cast<std::size_t>(size)}));
  return size;
}

long TlsEngine::control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

TlsEngine::Step TlsEngine::step_of(int answer) {
  Step step;
  switch (SSL_get_error(ssl_.get(), answer)) {
    case SSL_ERROR_NONE: return step;
    case SSL_ERROR_WANT_READ: step.wants_input = true; return step;
    case SSL_ERROR_ZERO_RETURN: step.failure = boost::asio::error::eof; return step;
    default:
      step.failure = {static_cast<int>(ERR_get_error()), boost::asio::error::get_ssl_category()};
      if (!step.failure) step.failure = boost::asio::error::connection_reset;
      return step;
  }
}

TlsEngine::Step TlsEngine::handshake() {
  ERR_clear_error();
  return step_of(SSL_do_handshake(ssl_.get()));
}

TlsEngine::Step TlsEngine::read(std::span<std::uint8_t> into) {
  std::size_t total = 0;
  while (total < into.size()) {
    ERR_clear_error();
    std::size_t n = 0;
    const int answer = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &n);
    if (answer == 1) {
      total += n;
      continue;
    }
    // What stopped it stops the next call again.
    Step step = total > 0 ? Step() : step_of(answer);
    step.bytes = total;
    return step;
  }
  Step step;
  step.bytes = total;
  return step;
}

TlsEngine::Step TlsEngine::write(ByteView from) {
  if (from.empty()) return {};
  ERR_clear_error();
  std::size_t n = 0;
  const int answer = SSL_write_ex(ssl_.get(), from.data(), from.size(), &n);
  Step step = answer == 1 ? Step() : step_of(answer);
  step.bytes = n;
  return step;
}

TlsEngine::Step TlsEngine::shutdown() {
  ERR_clear_error();
  int answer = SSL_shutdown(ssl_.get());
  if (answer == 0) answer = SSL_shutdown(ssl_.get());  // ours is said: now the peer's
  return answer == 1 ? Step() : step_of(answer);
}

std::span<std::uint8_t> TlsEngine::input_room() {
  if (input_begin_ == input_end_) input_begin_ = input_end_ = 0;
  if (input_begin_ > 0) {
    std::memmove(input_.data(), input_.data() + input_begin_, input_end_ - input_begin_);
    input_end_ -= std::exchange(input_begin_, 0);
  }
  return std::span(input_).subspan(input_end_);
}

void TlsEngine::input_came(std::size_t bytes) {
  input_end_ += bytes;
  const bool full = input_end_ == input_.size();
  if (full && input_.size() < kLargeBufferBytes) {
    input_.resize(kLargeBufferBytes);
  } else if (input_.size() > kSmallBufferBytes && input_end_ < kSmallBufferBytes / 4) {
    input_.resize(kSmallBufferBytes);
    input_.shrink_to_fit();
  }
}

ByteView TlsEngine::begin_sending() {
  sending_.swap(output_);
  output_.clear();
  return sending_;
}

void TlsEngine::sent() {
  const bool small = sending_.size() < kSmallBufferBytes;
  sending_.clear();
  for (Bytes* buffer : {&sending_, &output_})
    if (small && buffer->empty() && buffer->capacity() > kSmallBufferBytes) Bytes().swap(*buffer);
}

}  // namespace skymoor::server
