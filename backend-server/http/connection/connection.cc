#include "backend-server/http/connection/connection.h"

#include "shared/base/log.h"

namespace skymoor::server {
namespace {


Transport::Milliseconds until(Instant deadline, Instant now) {
  return std::max(Transport::Milliseconds(1), std::chrono::ceil<Transport::Milliseconds>(deadline - now));
}

}  // namespace

HttpConnection::HttpConnection(ServerCore& core, std::shared_ptr<Transport> transport)
    : core_(core), transport_(std::move(transport)), buffer_(core.options.max_header_bytes) {}

HttpConnection::~HttpConnection() {
  end_stream();
  release_body();
  // A closed one may still be saying goodbye on its I/O thread, and this may be a worker.
  if (phase_ != Phase::kClosed) transport_->close();
  core_.connections.remove(this);
}

void HttpConnection::start() {
  transport_->handshake(core_.options.header_timeout, [self = shared_from_this()](Status done) {
    if (!done.ok()) {
      log_debug("http.handshake_failed", {{"peer", self->transport_->remote_address()}, {"error", done.error()}});
      return self->close();
    }
    self->next_request();
  });
}

void HttpConnection::stop(bool force) {
  transport_->post([self = shared_from_this(), force] {
    self->close_after_ = true;
    if (force || self->phase_ == Phase::kIdle || self->phase_ == Phase::kHandshake) return self->close();
    if (self->phase_ == Phase::kStream && self->response_.stream) self->response_.stream->close();
  });
}

void HttpConnection::close() {
  phase_ = Phase::kClosed;
  transport_->close();
}

void HttpConnection::next_request() {
  request_ = {};
  response_ = {};
  head_ = {};
  route_ = nullptr;
  chunks_.reset();
  searched_ = received_bytes_ = 0;
  body_unread_ = false;
  if (close_after_ || core_.stopping) return close();
  if (filled_ <= core_.options.max_header_bytes) buffer_.resize(core_.options.max_header_bytes);
  phase_ = Phase::kIdle;
  head_deadline_ = core_.clock.monotonic() + core_.options.header_timeout;
  read_head();
}

void HttpConnection::read_head() {
  std::string_view have = as_text(ByteView(buffer_).first(filled_));
  std::size_t end = find_head_end(have, searched_);
  if (end != std::string_view::npos) return on_head(end);
  searched_ = filled_;
  if (filled_ == buffer_.size()) {
    body_unread_ = true;
    started_ = core_.clock.monotonic();
    return fail(Error(Code::kTooLarge, "request head larger than " + std::to_string(buffer_.size()) + " bytes"), 431);
  }

  // A new connection must speak at once; a kept one may be silent for a while. Once a head has begun, its time runs.
  bool waiting = filled_ == 0 && served_one_;
  auto timeout = waiting ? core_.options.idle_timeout : until(head_deadline_, core_.clock.monotonic());
  transport_->read_some(std::span(buffer_).subspan(filled_), timeout,
                        [self = shared_from_this(), waiting](Status done, std::size_t size) {
                          if (!done.ok()) return self->close();
                          if (waiting)
                            self->head_deadline_ = self->core_.clock.monotonic() + self->core_.options.header_timeout;
                          self->phase_ = Phase::kHead;
                          self->filled_ += size;
                          self->read_head();
                        });
}

void HttpConnection::on_head(std::size_t head_end) {
  phase_ = Phase::kHead;
  served_one_ = true;
  started_ = core_.clock.monotonic();
  raw_head_.assign(as_text(ByteView(buffer_).first(head_end)));
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(head_end),
            buffer_.begin() + static_cast<std::ptrdiff_t>(filled_), buffer_.begin());
  filled_ -= head_end;
  request_.request_id = core_.next_request_id();
  body_unread_ = true;  // until the head says otherwise: after a head we cannot read, we do not know what follows
  if (Status understood = understand(raw_head_); !understood.ok()) {
    int status = understood.error().message() == "too many headers" ? 431 : 0;
    return fail(understood.error(), status);
  }
  std::size_t length = head_.chunked ? route_->max_body_bytes : head_.content_length.value_or(0);
  if (route_->admit && length > kSmallBodyBytes) return admit();
  receive_body();
}

Status HttpConnection::understand(std::string_view raw_head) {
  head_ = TRY(parse_request_head(raw_head, core_.options.max_headers));
  body_unread_ = head_.has_body();
  if (!head_.keep_alive) close_after_ = true;
  request_.method = head_.method;
  Target target = TRY(parse_target(head_.target));
  request_.path = std::move(target.path);
  request_.query = std::move(target.query);
  request_.headers = std::move(head_.headers);
  request_.remote_address = core_.options.trusted_proxies.client_of(transport_->remote_address(), request_.headers);
  request_.loopback = request_.header("x-forwarded-for").empty() && is_loopback_host(request_.remote_address);

  Router::Match match = core_.router.match(request_.method, request_.path);
  if (!match.route && match.allowed.empty()) return Error(Code::kNotFound, "no such route");
  if (!match.route) {
    response_.headers.emplace_back("Allow", match.allowed);
    return Error(Code::kMethodNotAllowed, "this route answers " + match.allowed);
  }
  route_ = match.route;
  request_.parameters = std::move(match.parameters);
  if (head_.has_body() && route_->max_body_bytes == 0)
    return Error(Code::kInvalidArgument, "this route takes no body");
  if (head_.content_length.value_or(0) > route_->max_body_bytes)
    return Error(Code::kTooLarge, "the body is larger than this route allows");
  return {};
}

void HttpConnection::admit() {
  phase_ = Phase::kAdmit;
  Status queued = core_.workers.submit([self = shared_from_this()] {
    auto admitted = std::make_shared<Result<Response>>(self->call(
        [&](Request& request) -> Result<Response> {
          TRY(self->route_->admit(request));
          return Response{};
        },
        self->request_));
    self->transport_->post([self, admitted] {
      if (!admitted->ok()) return self->fail(admitted->error());
      self->receive_body();
    });
  });
  if (!queued.ok()) fail(queued.error());
}

void HttpConnection::run_handler() {
  phase_ = Phase::kHandler;
  if (route_->inline_on_io) return answer(call(route_->handler, request_));
  Status queued = core_.workers.submit([self = shared_from_this()] {
    auto result = std::make_shared<Result<Response>>(call(self->route_->handler, self->request_));
    self->transport_->post([self, result] { self->answer(std::move(*result)); });
  });
  if (!queued.ok()) fail(queued.error());
}

Result<Response> HttpConnection::call(const Handler& handler, Request& request) {
  try {
    return handler(request);
  } catch (const std::bad_alloc&) {
    return Error(Code::kOutOfMemory, "out of memory in a handler");
  } catch (const std::exception& e) {
    return Error(Code::kInternal, std::string("exception in a handler: ") + e.what());
  } catch (...) {
    return Error(Code::kInternal, "unknown exception in a handler");
  }
}

}  // namespace skymoor::server
