// HttpConnection: server-sent events after the answer's head.
#include "backend-server/http/connection/connection.h"

namespace skymoor::server {
namespace {
constexpr std::string_view kPing = ": ping\n\n";
constexpr std::size_t kMaxBytesFromListener = 16 * 1024;
}  // namespace

void HttpConnection::begin_stream() {
  phase_ = Phase::kStream;
  stream_end_ = core_.clock.monotonic() + core_.options.stream_lifetime;
  std::weak_ptr<HttpConnection> weak = weak_from_this();
  std::weak_ptr<Transport> transport = transport_;
  response_.stream->attach([weak, transport] {
    auto alive = transport.lock();
    if (!alive) return;
    alive->post([weak] {
      if (auto self = weak.lock()) self->pump();
    });
  });
  if (core_.stopping) response_.stream->close();
  watch_for_end();
  ping();
}

/// The client has nothing more to say; what this read gets is its goodbye.
void HttpConnection::watch_for_end() {
  filled_ = 0;
  transport_->read_some(buffer_, {}, [self = shared_from_this()](Status done, std::size_t size) {
    self->received_bytes_ += size;
    if (self->phase_ != Phase::kStream) return;
    if (done.ok() && self->received_bytes_ < kMaxBytesFromListener) return self->watch_for_end();
    self->end_stream();
    self->close();
  });
}

void HttpConnection::ping() {
  transport_->after(core_.options.stream_ping, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self || self->phase_ != Phase::kStream) return;
    if (self->core_.clock.monotonic() >= self->stream_end_) self->response_.stream->close();
    if (!self->stream_writing_) self->write_stream(std::string(kPing));
    self->ping();
  });
}

void HttpConnection::pump() {
  if (phase_ != Phase::kStream || stream_writing_) return;
  bool closed = response_.stream->closed();
  std::string text = response_.stream->take();
  if (!text.empty()) return write_stream(std::move(text));
  if (!closed) return;
  end_stream();
  phase_ = Phase::kClosed;
  transport_->finish();
}

void HttpConnection::write_stream(std::string text) {
  stream_writing_ = true;
  stream_text_ = std::move(text);
  transport_->write(as_bytes(stream_text_), {}, {core_.options.write_timeout, {}},
                    [self = shared_from_this()](Status done) {
                      self->stream_writing_ = false;
                      if (self->phase_ != Phase::kStream) return;
                      if (done.ok()) return self->pump();
                      self->end_stream();
                      self->close();
                    });
}

void HttpConnection::end_stream() {
  if (response_.stream) response_.stream->detach();
  response_.stream_resource.reset();
  if (std::exchange(stream_counted_, false)) core_.streams.remove(stream_owner_);
}

}  // namespace skymoor::server
