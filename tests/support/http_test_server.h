// A small HTTP/1.1 server on loopback, plain or TLS, for tests of clients: it answers what the test says, and can be
// silent, slow or rude.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace skymoor::testing {

struct TestRequest {
  std::string method, target;
  std::map<std::string, std::string> headers;   ///< names in lower case
  std::string body;
  int connection = 0;                           ///< counts accepted connections from 1
};

/// One accepted connection, in the handler's hands.
class TestConnection {
 public:
  virtual ~TestConnection() = default;
  virtual bool write(const std::string& bytes) = 0;   ///< false: the client has gone
  /// True when the client hung up or the server is ending within `ms`.
  virtual bool gone_within(int ms) = 0;
  virtual void close() = 0;
  /// Writes a whole answer with a length.
  void reply(int status, const std::string& body, const std::string& type = "application/json",
             const std::string& more_headers = "") {
    write("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: " + type +
          "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more_headers + "\r\n" + body);
  }
};

/// A thread per connection; ends them all when destroyed.
class HttpTestServer {
 public:
  using Handler = std::function<void(const TestRequest&, TestConnection&)>;
  struct Tls {
    std::string certificate_pem, key_pem;
  };
  /// `port` 0: any free one.
  explicit HttpTestServer(Handler handler, const Tls* tls = nullptr, int port = 0);
  ~HttpTestServer();
  HttpTestServer(const HttpTestServer&) = delete;
  HttpTestServer& operator=(const HttpTestServer&) = delete;

  int port() const { return port_; }
  std::string url() const { return (tls_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_); }
  int connections() const { return connections_; }
  int requests() const { return requests_; }

 private:
  void accept_loop();
  void serve(int fd, int number);

  Handler handler_;
  void* tls_ = nullptr;   ///< SSL_CTX
  int listener_ = -1, port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0}, requests_{0};
  std::mutex mutex_;
  std::vector<std::thread> threads_;
  std::vector<int> open_;
  std::thread acceptor_;
};

}  // namespace skymoor::testing
