// A server on a free port of the loopback, with a few routes that show what handlers see.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "backend-server/http/http_server.h"
#include "shared/crypto/certificate.h"
#include "tests/support/raw_http.h"

namespace skymoor::server {

using testing_support::HttpAnswer;
using testing_support::RawHttp;
using Security = RawHttp::Security;

class HttpServerTest : public testing::Test {
 protected:
  /// GET /hello, POST /echo (1 MiB), POST /big (9 MiB), POST /partial, GET /item/{id}, /wait (until `release`), ...
  Router routes() {
    Router router;
    router.add({"GET", "/hello", [](Request&) -> Result<Response> { return Response::json("{\"hello\":1}"); }});
    router.add({.method = "POST", .pattern = "/echo", .handler = echo, .max_body_bytes = 1u << 20});
    router.add({.method = "POST", .pattern = "/big", .handler = echo, .max_body_bytes = 9u << 20});
    router.add({.method = "POST",
                .pattern = "/partial",
                .handler =
                    [this](Request& request) -> Result<Response> {
                      partial.set_value({request.truncated, request.body.size()});
                      return Response::json("{}");
                    },
                .max_body_bytes = 9u << 20,
                .accept_truncated = true});
    router.add({.method = "POST",
                .pattern = "/guarded",
                .handler = echo,
                .max_body_bytes = 9u << 20,
                .admit = [this](const Request& request) -> Status {
                  ++admissions;
                  if (request.header("authorization") == "Bearer good") return {};
                  return Error(Code::kUnauthenticated, "no");
                }});
    router.add({"GET", "/item/{id}", [](Request& request) -> Result<Response> {
                  std::string query(request.query_value("q").value_or("none"));
                  return Response::json(request.parameter("id") + "?" + query);
                }});
    router.add({"GET", "/wait", [this](Request&) -> Result<Response> {
                  ++waiting;
                  released.wait();
                  return Response::json("{\"waited\":true}");
                }});
    router.add({"GET", "/fail", [](Request&) -> Result<Response> {
                  return Error(Code::kRateLimited, "slow down: try again in 42 s");
                }});
    router.add({"GET", "/throw", [](Request&) -> Result<Response> { throw std::runtime_error("secret /path"); }});
    router.add({"GET", "/flood", [](Request&) -> Result<Response> { return Response::bytes(Bytes(64u << 20, 7)); }});
    router.add({.method = "GET",
                .pattern = "/inline",
                .handler = [](Request&) -> Result<Response> { return Response::json("inline"); },
                .inline_on_io = true});
    router.add({"GET", "/events", [this](Request& request) -> Result<Response> {
                  Response response;
                  response.stream = std::make_shared<EventStream>();
                  response.stream_owner = std::string(request.query_value("owner").value_or("ada"));
                  response.stream_resource = std::shared_ptr<void>(nullptr, [this](void*) { ++resources_gone; });
                  std::lock_guard lock(streams_mutex);
                  streams.push_back(response.stream);
                  return response;
                }});
    return router;
  }

  static Result<Response> echo(Request& request) { return Response::bytes(to_bytes(request.body.view())); }

  HttpOptions options() {
    HttpOptions options;
    options.address = "127.0.0.1";
    options.port = 0;
    options.worker_threads = 2;
    options.observe = [this](const RequestSummary& summary) { last_status = summary.status; };
    return options;
  }

  void open(HttpOptions with) {
    if (with.tls) security = Security::kTls;
    auto opened = HttpServer::open(std::move(with), routes());
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    server = std::move(*opened);
  }

  static TlsIdentity identity() {
    auto certificate = crypto::make_certificate({"localhost", "127.0.0.1"}, 30, SystemClock().now());
    return {certificate->certificate_pem, std::string(as_text(certificate->private_key_pem.view()))};
  }

  RawHttp connect() { return RawHttp(server->port(), security); }

  /// Sends raw text on a new connection and gives the status of the answer, 0 for none.
  int status_of(std::string_view raw) {
    RawHttp client = connect();
    client.send(raw);
    auto answer = client.answer();
    return answer ? answer->status : 0;
  }

  template <typename Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 1000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  void release() {
    if (!std::exchange(was_released, true)) release_waiters.set_value();
  }
  void TearDown() override { release(); }

  struct Partial {
    bool truncated;
    std::size_t size;
  };
  // Handlers use these: they must outlive the server, which is therefore the last member.
  std::promise<Partial> partial;
  std::promise<void> release_waiters;
  std::shared_future<void> released = release_waiters.get_future().share();
  bool was_released = false;
  std::atomic<int> admissions{0}, waiting{0}, resources_gone{0}, last_status{0};
  std::mutex streams_mutex;
  std::vector<std::shared_ptr<EventStream>> streams;
  Security security = Security::kPlain;
  std::unique_ptr<HttpServer> server;
};

}  // namespace skymoor::server
