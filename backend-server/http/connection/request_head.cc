#include "backend-server/http/connection/request_head.h"

#include <limits>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/vector_body.hpp>

namespace skymoor::server {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;

Error malformed(const std::string& what) { return Error(Code::kInvalidArgument, "malformed request: " + what); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool is_method(std::string_view method) {
  for (char c : method)
    if (c < 'A' || c > 'Z') return false;
  return !method.empty() && method.size() <= 16;
}

/// A folded line reads as one header here and as two to a proxy that does not know folding.
bool has_folded_line(std::string_view head) {
  return head.find("\r\n ") != std::string_view::npos || head.find("\r\n\t") != std::string_view::npos;
}

struct Framing {
  int hosts = 0, lengths = 0, codings = 0;
};

Status take_header(RequestHead& head, Framing& framing, const std::string& name, std::string_view value) {
  if (name == "host") ++framing.hosts;
  if (name == "content-length") {
    ++framing.lengths;
    std::uint64_t length = 0;
    for (char c : value) {
      if (c < '0' || c > '9' || length > std::numeric_limits<std::uint64_t>::max() / 10 - 1)
        return malformed("Content-Length is not a number");
      length = length * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (value.empty()) return malformed("Content-Length is not a number");
    head.content_length = length;
  }
  if (name == "transfer-encoding") {
    ++framing.codings;
    if (lower(value) != "chunked") return malformed("Transfer-Encoding other than chunked");
    head.chunked = true;
  }
  if (name == "content-encoding" && lower(value) != "identity") return malformed("Content-Encoding is not supported");
  if (name == "expect") {
    if (lower(value) != "100-continue") return malformed("Expect other than 100-continue");
    head.expects_continue = true;
  }
  return {};
}

Status check_framing(const RequestHead& head, const Framing& framing, bool http_1_1) {
  if (framing.lengths > 1) return malformed("Content-Length twice");
  if (framing.codings > 1) return malformed("Transfer-Encoding twice");
  if (head.chunked && framing.lengths > 0) return malformed("Content-Length beside Transfer-Encoding");
  if (head.chunked && !http_1_1) return malformed("chunks in HTTP/1.0");
  if (framing.hosts > 1 || (framing.hosts == 0 && http_1_1)) return malformed("Host must be there once");
  return {};
}

}  // namespace

Result<RequestHead> parse_request_head(std::string_view raw, std::size_t max_headers) {
  if (has_folded_line(raw)) return malformed("a folded header line");
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(raw.size() + 1));
  parser.body_limit(boost::none);
  parser.eager(false);
  error_code failure;
  parser.put(boost::asio::const_buffer(raw.data(), raw.size()), failure);
  if (failure) return malformed(failure.message());
  if (!parser.is_header_done()) return malformed("incomplete head");

  const auto& message = parser.get();
  RequestHead head;
  head.method = std::string(message.method_string());
  head.target = std::string(message.target());
  if (!is_method(head.method)) return malformed("method");
  if (message.version() != 11 && message.version() != 10) return malformed("HTTP version");
  Framing framing;
  for (const auto& field : message) {
    if (head.headers.size() == max_headers) return Error(Code::kTooLarge, "too many headers");
    std::string name = lower(field.name_string());
    TRY(take_header(head, framing, name, field.value()));
    head.headers.emplace_back(std::move(name), std::string(field.value()));
  }
  TRY(check_framing(head, framing, message.version() == 11));
  head.keep_alive = message.keep_alive();
  return head;
}

std::size_t find_head_end(std::string_view bytes, std::size_t searched_before) {
  auto at = bytes.find("\r\n\r\n", searched_before > 3 ? searched_before - 3 : 0);
  return at == std::string_view::npos ? at : at + 4;
}

struct ChunkedBody::State {
  http::request_parser<http::vector_body<std::uint8_t>> parser;
};

ChunkedBody::ChunkedBody(std::string_view head, std::size_t max_body_bytes) : state_(std::make_unique<State>()) {
  state_->parser.header_limit(static_cast<std::uint32_t>(head.size() + 1));
  state_->parser.body_limit(max_body_bytes);
  error_code failure;
  state_->parser.eager(false);
  state_->parser.put(boost::asio::const_buffer(head.data(), head.size()), failure);
  state_->parser.eager(true);
}

ChunkedBody::~ChunkedBody() = default;

/// "0 CR LF CR LF", with which every body ends: with less, Beast cannot come to an end, and asserts that it is not asked to.
static constexpr std::size_t kShortestEnd = 5;

Result<std::size_t> ChunkedBody::feed(ByteView bytes) {
  std::size_t taken = 0;
  while (bytes.size() - taken >= kShortestEnd && !done()) {
    error_code failure;
    std::size_t more =
        state_->parser.put(boost::asio::const_buffer(bytes.data() + taken, bytes.size() - taken), failure);
    taken += more;
    if (failure == http::error::need_more) break;
    if (failure == http::error::body_limit) return Error(Code::kTooLarge, "the body is larger than this route allows");
    if (failure) return malformed(failure.message());
    if (more == 0) break;
  }
  return taken;
}

bool ChunkedBody::done() const { return state_->parser.is_done(); }
ByteView ChunkedBody::body() const { return state_->parser.get().body(); }

}  // namespace skymoor::server
