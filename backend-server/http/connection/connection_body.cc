// HttpConnection: receiving a request's body.
#include "backend-server/http/connection/connection.h"

namespace skymoor::server {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::size_t kChunkBufferBytes = 64 * 1024;

}  // namespace

/// Counts a body, a request's or an answer's, against the memory of all bodies under way.
bool HttpConnection::reserve_body(std::size_t bytes) {
  if (core_.body_memory.fetch_add(bytes) + bytes > core_.options.max_body_memory) {
    core_.body_memory.fetch_sub(bytes);
    return false;
  }
  reserved_bytes_ = bytes;
  return true;
}

void HttpConnection::release_body() { core_.body_memory.fetch_sub(std::exchange(reserved_bytes_, 0)); }

void HttpConnection::receive_body() {
  if (phase_ == Phase::kClosed) return;
  if (!head_.has_body()) return run_handler();
  phase_ = Phase::kBody;
  std::size_t most = head_.chunked ? route_->max_body_bytes : *head_.content_length;
  if (!reserve_body(most)) return fail(Error(Code::kBusy, "too many large requests are under way"));
  if (!head_.expects_continue || filled_ > 0) return begin_body();
  transport_->write(as_bytes(kContinue), {}, {core_.options.write_timeout, {}},
                    [self = shared_from_this()](Status done) {
                      if (!done.ok()) return self->close();
                      self->begin_body();
                    });
}

void HttpConnection::begin_body() {
  if (!head_.chunked) return read_sized_body(*head_.content_length);
  chunks_ = std::make_unique<ChunkedBody>(raw_head_, route_->max_body_bytes);
  buffer_.resize(std::max(buffer_.size(), kChunkBufferBytes));
  if (feed_chunks()) read_chunk();
}

void HttpConnection::read_sized_body(std::size_t length) {
  auto body = std::make_shared<Body>(length);
  std::size_t have = std::min(filled_, length);
  std::copy_n(buffer_.begin(), have, body->writable().begin());
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(have), buffer_.begin() + static_cast<std::ptrdiff_t>(filled_),
            buffer_.begin());
  filled_ -= have;
  received_bytes_ = have;
  if (have == length) return on_body(std::move(*body), {});

  auto grace = core_.options.body_timeout;
  Transport::Pace pace{grace, grace + std::chrono::seconds(length / core_.options.min_body_bytes_per_second)};
  transport_->read_full(body->writable().subspan(have), pace,
                        [self = shared_from_this(), body](Status done, std::size_t size) {
                          self->received_bytes_ += size;
                          self->on_body(std::move(*body), std::move(done));
                        });
}

/// True when more bytes are needed.
bool HttpConnection::feed_chunks() {
  auto taken = chunks_->feed(ByteView(buffer_).first(filled_));
  if (!taken.ok()) return fail(taken.error()), false;
  received_bytes_ += *taken;
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(*taken),
            buffer_.begin() + static_cast<std::ptrdiff_t>(filled_), buffer_.begin());
  filled_ -= *taken;
  if (chunks_->done()) return on_body(Body(chunks_->body()), {}), false;
  if (filled_ < buffer_.size()) return true;
  return fail(Error(Code::kInvalidArgument, "malformed request: a chunk's head is too long")), false;
}

void HttpConnection::read_chunk() {
  // The same grace as for a sized body of the largest allowed size.
  auto now = core_.clock.monotonic();
  auto most = core_.options.body_timeout +
              std::chrono::seconds(route_->max_body_bytes / core_.options.min_body_bytes_per_second);
  if (now - started_ > most) return on_body(Body(chunks_->body()), Error(Code::kTimedOut, "the body came too slowly"));
  transport_->read_some(std::span(buffer_).subspan(filled_), core_.options.body_timeout,
                        [self = shared_from_this()](Status done, std::size_t size) {
                          self->filled_ += size;
                          if (!done.ok()) return self->on_body(Body(self->chunks_->body()), std::move(done));
                          if (self->feed_chunks()) self->read_chunk();
                        });
}

void HttpConnection::on_body(Body body, Status outcome) {
  chunks_.reset();
  request_.body = std::move(body);
  if (outcome.ok()) {
    body_unread_ = false;
    return run_handler();
  }
  if (!head_.chunked) request_.body.shrink(received_bytes_);
  if (route_->accept_truncated && request_.body.size() > 0) {
    request_.truncated = true;
    close_after_ = true;
    return run_handler();
  }
  bool slow = outcome.error().code() == Code::kTimedOut;
  fail(Error(slow ? Code::kTimedOut : Code::kInvalidArgument, "the body did not come whole"), slow ? 408 : 400);
}

}  // namespace skymoor::server
