// RawHttp: a small blocking HTTP/1.1 client for tests that must be able to send what no proper client would.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>

#include "shared/base/bytes.h"
#include "shared/base/fd.h"

namespace skymoor::testing_support {

struct HttpAnswer {
  int status = 0;
  std::string head, body;
  /// The value of a header, whatever its case; empty when it is not there.
  std::string header(std::string name) const {
    std::string lower_head = head;
    for (char& c : lower_head) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    auto at = lower_head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    at += name.size() + 4;
    return head.substr(at, head.find("\r\n", at) - at);
  }
};

/// One connection to 127.0.0.1, from there or from another address of the loopback. Not thread-safe. Throws
/// std::runtime_error, which fails the test.
class RawHttp {
 public:
  enum class Security : bool { kPlain, kTls };

  RawHttp(std::uint16_t port, Security security, int receive_buffer = 0, const char* from = nullptr) {
    socket_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer > 0) ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (from && (::inet_pton(AF_INET, from, &address.sin_addr) != 1 ||
                 ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0))
      throw std::runtime_error("bind failed");
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("connect failed");
    int no_delay = 1;
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof no_delay);
    if (security == Security::kTls) start_tls();
  }
  ~RawHttp() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  RawHttp(const RawHttp&) = delete;
  RawHttp& operator=(const RawHttp&) = delete;

  /// False when the server has ended the connection.
  bool send(std::string_view text) {
    while (!text.empty()) {
      long sent = ssl_ ? SSL_write(ssl_, text.data(), static_cast<int>(std::min<std::size_t>(text.size(), 1 << 20)))
                       : ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  bool request(std::string_view method, std::string_view target, std::string_view body = {},
               std::string_view headers = {}) {
    std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" +
                       std::string(headers);
    if (!body.empty() || method == "POST") text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return send(text + "\r\n") && send(body);
  }
  /// One answer with a Content-Length; nothing when the connection ended before its head was whole.
  std::optional<HttpAnswer> answer(bool to_head = false) {
    auto answer = head();
    if (!answer) return std::nullopt;
    std::string length = answer->header("Content-Length");
    std::size_t want = length.empty() || to_head ? 0 : std::stoul(length);
    while (buffer_.size() < want && more()) {}
    answer->body = buffer_.substr(0, want);
    buffer_.erase(0, want);
    return answer;
  }
  std::optional<HttpAnswer> exchange(std::string_view method, std::string_view target, std::string_view body = {},
                                     std::string_view headers = {}) {
    request(method, target, body, headers);
    return answer();
  }
  /// The head of an answer without a length; what follows comes from `read_until`.
  std::optional<HttpAnswer> head() {
    std::size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
      if (!more()) return std::nullopt;
    HttpAnswer answer;
    answer.head = buffer_.substr(0, end + 4);
    buffer_.erase(0, end + 4);
    answer.status = std::stoi(answer.head.substr(9, 3));
    return answer;
  }
  /// Everything up to and with `mark`; nothing when the time runs out or the connection ends first.
  std::optional<std::string> read_until(std::string_view mark,
                                        std::chrono::milliseconds time = std::chrono::seconds(10)) {
    auto until = std::chrono::steady_clock::now() + time;
    std::size_t at;
    while ((at = buffer_.find(mark)) == std::string::npos)
      if (std::chrono::steady_clock::now() > until || !readable(until) || !more()) return std::nullopt;
    std::string text = buffer_.substr(0, at + mark.size());
    buffer_.erase(0, at + mark.size());
    return text;
  }
  /// True when the server ends the connection within the time; what comes before is dropped.
  bool ends_within(std::chrono::milliseconds time) {
    auto until = std::chrono::steady_clock::now() + time;
    while (readable(until)) {
      buffer_.clear();
      if (!more()) return true;
    }
    return false;
  }
  void half_close() { ::shutdown(socket_.get(), SHUT_WR); }
  void drop() {
    linger hard{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    socket_.reset();
  }
  int fd() const { return socket_.get(); }
  const char* tls_version() const { return SSL_get_version(ssl_); }

 private:
  void start_tls() {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
    context_ = SSL_CTX_new(TLS_client_method());
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, socket_.get());
    if (SSL_connect(ssl_) != 1) throw std::runtime_error("TLS handshake failed");
  }
  bool readable(std::chrono::steady_clock::time_point until) {
    if (ssl_ && SSL_pending(ssl_) > 0) return true;
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd poll{socket_.get(), POLLIN, 0};
    return ::poll(&poll, 1, static_cast<int>(std::max<long>(0, left.count()))) > 0;
  }
  bool more() {
    char part[65536];
    long size = ssl_ ? SSL_read(ssl_, part, sizeof part) : ::recv(socket_.get(), part, sizeof part, 0);
    if (size <= 0) return false;
    buffer_.append(part, static_cast<std::size_t>(size));
    return true;
  }

  UniqueFd socket_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  std::string buffer_;
};

}  // namespace skymoor::testing_support
