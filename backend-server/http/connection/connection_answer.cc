// HttpConnection: sending an answer.
#include "backend-server/http/connection/connection.h"
#include "backend-server/http/connection/response_head.h"
#include "shared/base/log.h"
#include "shared/protocol/failure.h"

namespace skymoor::server {
namespace {

/// What a client did wrong is no trouble of the server's: only answers of 500 and above are errors in its log.
ErrorLevel level_here(Code code) {
  ErrorLevel level = level_of(code);
  if (http_status_of(code) >= 500) return level;
  return level == ErrorLevel::kError ? ErrorLevel::kWarn : ErrorLevel::kDebug;
}

void log_failure(const Error& error, const Request& request, std::string_view route) {
  ErrorLevel level = level_here(error.code());
  if (level == ErrorLevel::kDebug && !log_debug_enabled()) return;
  std::string origin = std::string(error.origin().file_name()) + ":" + std::to_string(error.origin().line());
  LogFields fields{{"request_id", request.request_id}, {"method", request.method},
                   {"route", std::string(route)},      {"peer", request.remote_address},
                   {"code", std::string(name_of(error.code()))}, {"error", error}, {"origin", origin}};
  switch (level) {
    case ErrorLevel::kError: return log_error("request.failed", fields);
    case ErrorLevel::kWarn: return log_warn("request.failed", fields);
    case ErrorLevel::kInfo: return log_info("request.refused", fields);
    case ErrorLevel::kDebug: return log_debug("request.refused", fields);
  }
}

/// Seconds after which trying again makes sense, as a header. The message may say better ("try again in 60 s").
std::string retry_after(const Error& error) {
  static constexpr std::string_view kWords = "try again in ";
  auto at = error.message().find(kWords);
  if (at != std::string::npos) {
    std::string digits;
    for (char c : std::string_view(error.message()).substr(at + kWords.size())) {
      if (c < '0' || c > '9' || digits.size() == 9) break;
      digits += c;
    }
    if (!digits.empty()) return digits;
  }
  return error.code() == Code::kRateLimited ? "60" : "1";
}

}  // namespace

void HttpConnection::fail(const Error& error, int status) {
  if (request_.request_id.empty()) request_.request_id = core_.next_request_id();
  log_failure(error, request_, route_ ? route_->pattern : std::string_view());
  Response response = Response::json(protocol::encode_failure(error, request_.request_id));
  response.status = status != 0 ? status : http_status_of(error.code());
  response.headers = std::move(response_.headers);
  if (response.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (response.status == 429 || response.status == 503)
    response.headers.emplace_back("Retry-After", retry_after(error));
  if (body_unread_) close_after_ = true;  // what follows cannot be told from the next request
  send(std::move(response));
}

void HttpConnection::answer(Result<Response> result) {
  if (phase_ == Phase::kClosed) return;
  release_body();   // the request's: the handler is done with it
  request_.body = {};
  if (!result.ok()) return fail(result.error());
  // A client may take its time to read, and may be many: what waits to be sent counts like what comes in.
  const std::size_t size = result->stream ? 0 : result->body_view().size();
  if (size > kSmallBodyBytes && !reserve_body(size))
    return fail(Error(Code::kBusy, "too many large answers are under way: try again in 1 s"));
  if (!result->stream) return send(std::move(*result));
  if (Status counted = core_.streams.add(result->stream_owner, core_.options); !counted.ok()) {
    result->stream->close();
    return fail(counted.error());
  }
  stream_owner_ = result->stream_owner;
  stream_counted_ = true;
  send(std::move(*result));
}

void HttpConnection::send(Response response) {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kAnswer;
  response_ = std::move(response);
  if (core_.stopping) close_after_ = true;
  answer_head_ = make_response_head(response_, {request_.request_id, !close_after_, core_.clock.now()});
  ByteView body = request_.method == "HEAD" || response_.stream ? ByteView() : response_.body_view();
  auto grace = core_.options.write_timeout;
  Transport::Pace pace{grace, grace + std::chrono::seconds(body.size() / core_.options.min_body_bytes_per_second)};
  transport_->write(as_bytes(answer_head_), body, pace, [self = shared_from_this(), size = body.size()](Status done) {
    self->report(done.ok() ? size : 0);
    self->on_sent(std::move(done));
  });
}

void HttpConnection::report(std::size_t sent_bytes) {
  auto time = core_.clock.monotonic() - started_;
  std::string_view route = route_ ? std::string_view(route_->pattern) : std::string_view();
  if (log_debug_enabled())
    log_debug("request.done", {{"request_id", request_.request_id}, {"method", request_.method},
                               {"route", std::string(route)}, {"status", response_.status},
                               {"ms", std::chrono::duration<double, std::milli>(time).count()},
                               {"received", received_bytes_}, {"sent", sent_bytes}});
  if (core_.options.observe)
    core_.options.observe({request_.method, route, response_.status, time, received_bytes_, sent_bytes});
}

void HttpConnection::on_sent(Status outcome) {
  release_body();
  if (!outcome.ok()) return close();
  if (response_.stream) return begin_stream();
  if (!close_after_) return next_request();
  phase_ = Phase::kClosed;
  transport_->finish();
}

}  // namespace skymoor::server
