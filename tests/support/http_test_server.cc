#include "tests/support/http_test_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace skymoor::testing {
namespace {

class Connection final : public TestConnection {
 public:
  Connection(int fd, SSL* ssl, const std::atomic<bool>& stopping) : fd_(fd), ssl_(ssl), stopping_(stopping) {}
  ~Connection() override {
    if (ssl_) SSL_free(ssl_);
  }
  bool write(const std::string& bytes) override {
    for (std::size_t at = 0; at < bytes.size();) {
      const char* from = bytes.data() + at;
      const long n = ssl_ ? SSL_write(ssl_, from, static_cast<int>(bytes.size() - at))
                          : ::send(fd_, from, bytes.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return false;
      at += static_cast<std::size_t>(n);
    }
    return true;
  }
  bool gone_within(int ms) override {
    for (int waited = 0; waited < ms; waited += 10) {
      if (stopping_ || closed_) return true;
      pollfd p{fd_, POLLIN | POLLRDHUP, 0};
      if (::poll(&p, 1, 10) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR))) return true;
    }
    return stopping_ || closed_;
  }
  void close() override {
    closed_ = true;
    ::shutdown(fd_, SHUT_RDWR);
  }
  bool closed() const { return closed_; }
  long read(char* to, std::size_t size) {
    return ssl_ ? SSL_read(ssl_, to, static_cast<int>(size)) : ::recv(fd_, to, size, 0);
  }

 private:
  const int fd_;
  SSL* const ssl_;
  const std::atomic<bool>& stopping_;
  bool closed_ = false;
};

/// Reads one request; false when the connection ended first.
bool read_request(Connection& connection, std::string& buffer, TestRequest& request) {
  char piece[65536];
  std::size_t head_end;
  while ((head_end = buffer.find("\r\n\r\n")) == std::string::npos) {
    const long n = connection.read(piece, sizeof piece);
    if (n <= 0) return false;
    buffer.append(piece, static_cast<std::size_t>(n));
    if (buffer[0] == '\x16') {  // a TLS client at a plain server
      connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
      return false;
    }
  }
  const std::string head = buffer.substr(0, head_end + 2);
  buffer.erase(0, head_end + 4);
  const auto first = head.find(' '), second = head.find(' ', first + 1);
  request.method = head.substr(0, first);
  request.target = head.substr(first + 1, second - first - 1);
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    const auto end = head.find("\r\n", at), colon = head.find(':', at);
    if (end == std::string::npos || colon == std::string::npos || colon > end) break;
    std::string name = head.substr(at, colon - at);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    request.headers[name] = head.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  const std::size_t length =
      request.headers.count("content-length") ? std::strtoull(request.headers["content-length"].c_str(), nullptr, 10) : 0;
  while (buffer.size() < length) {
    const long n = connection.read(piece, sizeof piece);
    if (n <= 0) return false;
    buffer.append(piece, static_cast<std::size_t>(n));
  }
  request.body = buffer.substr(0, length);
  buffer.erase(0, length);
  return true;
}

SSL_CTX* make_context(const HttpTestServer::Tls& tls) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  BIO* certificate_bio = BIO_new_mem_buf(tls.certificate_pem.data(), static_cast<int>(tls.certificate_pem.size()));
  BIO* key_bio = BIO_new_mem_buf(tls.key_pem.data(), static_cast<int>(tls.key_pem.size()));
  X509* certificate = PEM_read_bio_X509(certificate_bio, nullptr, nullptr, nullptr);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
  if (!certificate || !key || SSL_CTX_use_certificate(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey(context, key) != 1)
    throw std::runtime_error("test server: bad certificate");
  X509_free(certificate);
  EVP_PKEY_free(key);
  BIO_free(certificate_bio);
  BIO_free(key_bio);
  return context;
}

}  // namespace

HttpTestServer::HttpTestServer(Handler handler, const Tls* tls, int port) : handler_(std::move(handler)) {
  ::signal(SIGPIPE, SIG_IGN);  // SSL_write to a client that hung up
  if (tls) tls_ = make_context(*tls);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 64) != 0)
    throw std::runtime_error("test server: cannot listen");
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

HttpTestServer::~HttpTestServer() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    std::lock_guard lock(mutex_);
    for (int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
  ::close(listener_);
  if (tls_) SSL_CTX_free(static_cast<SSL_CTX*>(tls_));
}

void HttpTestServer::accept_loop() {
  while (!stopping_) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const int number = ++connections_;
    std::lock_guard lock(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd, number] { serve(fd, number); });
  }
}

void HttpTestServer::serve(int fd, int number) {
  SSL* ssl = nullptr;
  bool shaken = true;
  if (tls_) {
    ssl = SSL_new(static_cast<SSL_CTX*>(tls_));
    SSL_set_fd(ssl, fd);
    shaken = SSL_accept(ssl) == 1;
  }
  {
    Connection connection(fd, ssl, stopping_);
    std::string buffer;
    TestRequest request;
    request.connection = number;
    while (shaken && !stopping_ && !connection.closed() && read_request(connection, buffer, request)) {
      ++requests_;
      handler_(request, connection);
      request = {};
      request.connection = number;
    }
  }
  std::lock_guard lock(mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), fd));
  ::close(fd);
}

}  // namespace skymoor::testing
