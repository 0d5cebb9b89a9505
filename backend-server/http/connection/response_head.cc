#include "backend-server/http/connection/response_head.h"

#include <ctime>

#include "shared/protocol/failure.h"

namespace skymoor::server {
namespace {

std::string_view reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 416: return "Range Not Satisfiable";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 507: return "Insufficient Storage";
    default: return "Answer";
  }
}

/// "Sun, 06 Nov 1994 08:49:37 GMT". Source: RFC 9110, section 5.6.7.
std::string http_date(Timestamp now) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::time_t seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %d %02d:%02d:%02d GMT", kDays[utc.tm_wday], utc.tm_mday,
                kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
  return text;
}

void add(std::string& head, std::string_view name, std::string_view value) {
  head.append(name).append(": ").append(value).append("\r\n");
}

/// A value that could end its line would let who chose it write headers.
bool is_one_line(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos; }

}  // namespace

std::string make_response_head(const Response& response, const ResponseFraming& framing) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " ";
  head.append(reason_of(response.status)).append("\r\n");
  add(head, "Date", http_date(framing.now));
  add(head, "X-Request-Id", framing.request_id);
  add(head, "Skymoor-Protocol", std::to_string(protocol::kProtocolVersion));
  add(head, "Content-Type", response.stream ? "text/event-stream" : response.content_type);
  if (!response.stream) add(head, "Content-Length", std::to_string(response.body_view().size()));
  add(head, "Cache-Control", "no-store");
  add(head, "X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers)
    if (is_one_line(name) && is_one_line(value)) add(head, name, value);
  add(head, "Connection", framing.keep_alive && !response.stream ? "keep-alive" : "close");
  return head + "\r\n";
}

}  // namespace skymoor::server
