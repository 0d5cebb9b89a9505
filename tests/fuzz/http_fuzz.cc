// The server's reading of requests: head, body in chunks, target and arguments, and who asks according to its proxies.
#include "backend-server/api/arguments.h"
#include "backend-server/http/connection/request_head.h"
#include "backend-server/http/router.h"
#include "backend-server/http/trusted_proxies.h"
#include "tests/fuzz/fuzz.h"

namespace skymoor::fuzz {
namespace {

using namespace server;

void try_head(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  const std::size_t end = find_head_end(text, 0);
  if (end == std::string_view::npos) return;
  check(end <= text.size(), "the head ends inside what was read");
  for (std::size_t searched = 0; searched + 3 < end; searched += 1 + searched / 2)
    check(find_head_end(text, searched) == end, "the end is found wherever the search goes on");
  auto head = parse_request_head(text.substr(0, end), 100);
  if (!head.ok()) return;
  check(!(head->chunked && head->content_length), "one length only");
  check(head->headers.size() <= 100, "headers are counted");
  for (const auto& [name, value] : head->headers)
    check(name.find_first_of("\r\n ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos &&
              value.find_first_of("\r\n") == std::string::npos,
          "a header is one line");
}

constexpr std::string_view kChunkedHead = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::size_t kMaxBody = 4096;

/// The body, or nothing for one that is refused or not finished (in pieces the fault may show only with the next one).
std::string decode_chunks(ByteView bytes, std::size_t piece) {
  ChunkedBody body(kChunkedHead, kMaxBody);
  Bytes waiting;
  while (!body.done()) {
    const std::size_t n = std::min(piece, bytes.size());
    append(waiting, bytes.first(n));
    bytes = bytes.subspan(n);
    auto used = body.feed(waiting);
    if (!used.ok()) return {};
    check(*used <= waiting.size(), "used what was there");
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(*used));
    if (n == 0) return {};
  }
  check(body.body().size() <= kMaxBody, "the body's limit holds");
  return "=" + std::string(as_text(body.body()));
}

void try_chunks(Choices choices) {
  const std::size_t piece = 1 + choices.below(40);
  check(decode_chunks(choices.rest(), piece) == decode_chunks(choices.rest(), choices.rest().size() + 1),
        "pieces do not change a body");
}

std::string encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    constexpr char kHex[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || c == '/')
      out += c;
    else
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

void try_target(ByteView bytes) {
  auto target = parse_target(as_text(bytes));
  if (!target.ok()) return;
  const std::string& path = target->path;
  check(path.starts_with("/") && path.find('\0') == std::string::npos && path.find('\\') == std::string::npos &&
            (path + "/").find("/../") == std::string::npos && (path + "/").find("/./") == std::string::npos &&
            path.find("//") == std::string::npos,
        "a path that needs no further checks");
  if (path.size() < 600) {
    auto again = parse_target(encoded(path));
    check(again.ok() && again->path == path, "path");
  }
  Request request;
  request.query = target->query;
  (void)query_number(request, "n", 0);
  (void)query_bytes(request, "b", 64);
  (void)query_id<VolumeId>(request, "v");
}

/// Whoever a header names, it is an address; and one that comes from elsewhere names nobody.
void try_forwarded(Choices choices) {
  const std::size_t cut = choices.below(64);
  const std::string text(as_text(choices.rest()));
  const std::vector<NamedText> headers = {{"x-forwarded-for", text.substr(0, std::min(cut, text.size()))},
                                          {"x-forwarded-for", text.substr(std::min(cut, text.size()))}};
  const TrustedProxies some = TrustedProxies::parse("10.0.0.0/8 ::1").value();
  check(IpAddress::parse(some.client_of("10.1.2.3", headers)).has_value(), "an address");
  check(some.client_of("192.0.2.1", headers) == "192.0.2.1", "a stranger's word counts for nothing");
  if (auto network = IpNetwork::parse(text); network.ok()) {
    check(network->contains(network->address), "a network contains its own address");
    auto again = IpNetwork::parse(network->to_string());
    check(again.ok() && again->address == network->address && again->prefix == network->prefix, "network");
  }
  if (auto parsed = TrustedProxies::parse(text); parsed.ok())
    check(IpAddress::parse(parsed->client_of("10.1.2.3", headers)).has_value(), "an address again");
}

}  // namespace

void try_input(ByteView input) {
  Choices choices(input);
  switch (choices.below(4)) {
    case 0: return try_head(choices.rest());
    case 1: return try_chunks(choices);
    case 3: return try_forwarded(choices);
    default: return try_target(choices.rest());
  }
}

std::vector<Bytes> seeds() {
  const char* heads[] = {
      "GET /api/health HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x\r\n\r\n",
      "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nExpect: 100-continue\r\nAuthorization: Bearer x\r\n\r\n",
      "POST /a HTTP/1.0\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\nContent-Encoding: identity\r\n\r\n",
      "GET /a HTTP/1.1\r\nHost: a\r\nRange: bytes=0-5,7-\r\nX: a\r\n b\r\n\r\n"};
  std::vector<Bytes> out;
  for (const char* head : heads) out.push_back(with_choice(0, as_bytes(head)));
  out.push_back(with_choice(1, with_choice(2, as_bytes("5\r\nhello\r\n3;x=\"y\"\r\nabc\r\n0\r\nA: b\r\n\r\n"))));
  out.push_back(with_choice(2, as_bytes("/api/volumes/00/changes?after=5&epoch=1&n=7&b=AAAA")));
  out.push_back(with_choice(3, with_choice(9, as_bytes("10.2.3.4, 192.0.2.7, ::ffff:10.0.0.1"))));
  out.push_back(with_choice(3, with_choice(60, as_bytes("2001:db8::/32"))));
  out.push_back(with_choice(2, as_bytes("/a%20b/%c3%a4/c?v=00000000000000000000000000000000")));
  return out;
}

}  // namespace skymoor::fuzz
