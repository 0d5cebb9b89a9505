#include "backend-server/http/network/listener.h"

#include <future>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "backend-server/http/network/asio_transport.h"
#include "shared/base/executor.h"
#include "shared/base/log.h"

namespace skymoor::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kPauseWithoutDescriptors{100};
constexpr int kBacklog = 512;

Error network_error(const error_code& failure, const std::string& what) {
  if (failure.category() == boost::system::system_category()) {
    Error error = Error::from_errno(failure.value(), what);
    if (failure.value() == EADDRINUSE) return Error(Code::kAlreadyExists, what + ": address already in use");
    return error;
  }
  return Error(Code::kInvalidArgument, what + ": " + failure.message());
}

/// TLS 1.3 and nothing older; AES-128 first, which is the fastest where the processor has instructions for it.
Status configure_tls(asio::ssl::context& context, const TlsIdentity& identity) {
  SSL_CTX* native = context.native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(native, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
  SSL_CTX_set_options(native, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  error_code failure;
  context.use_certificate_chain(asio::buffer(identity.certificate_pem), failure);
  if (failure) return Error(Code::kInvalidArgument, "TLS certificate: " + failure.message());
  context.use_private_key(asio::buffer(identity.private_key_pem), asio::ssl::context::pem, failure);
  if (failure) return Error(Code::kInvalidArgument, "TLS private key: " + failure.message());
  if (SSL_CTX_check_private_key(native) != 1)
    return Error(Code::kInvalidArgument, "TLS: the private key does not belong to the certificate");
  return {};
}

Result<tcp::endpoint> parse_endpoint(const std::string& address, std::uint16_t port) {
  error_code failure;
  auto ip = asio::ip::make_address(address == "localhost" ? "127.0.0.1" : address, failure);
  if (failure) return Error(Code::kInvalidArgument, "listen address '" + address + "': use an IP address");
  return tcp::endpoint(ip, port);
}

Status listen_on(tcp::acceptor& acceptor, const tcp::endpoint& endpoint) {
  std::string what = "listen on port " + std::to_string(endpoint.port());
  error_code failure;
  if (acceptor.open(endpoint.protocol(), failure); failure) return network_error(failure, what);
  acceptor.set_option(asio::socket_base::reuse_address(true), failure);
  if (endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(false), failure);
  if (acceptor.bind(endpoint, failure); failure) return network_error(failure, what);
  if (acceptor.listen(kBacklog, failure); failure) return network_error(failure, what);
  return {};
}

}  // namespace

struct Listener::State {
  explicit State(std::size_t io_threads) : tls(asio::ssl::context::tls_server) {
    for (std::size_t i = 0; i < io_threads; ++i) {
      contexts.push_back(std::make_unique<asio::io_context>(1));
      guards.push_back(asio::make_work_guard(*contexts.back()));
    }
    acceptor.emplace(*contexts.front());
    pause.emplace(*contexts.front());
  }

  void accept();
  void take(const error_code& failure, tcp::socket socket);
  void run(std::size_t index);

  // Constant after start.
  asio::ssl::context tls;
  bool use_tls = false;
  std::uint16_t port = 0;
  Accepted accepted;
  std::vector<std::unique_ptr<asio::io_context>> contexts;
  std::vector<std::jthread> threads;
  // Used by stop_threads only.
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards;
  // Used on the first I/O thread only.
  std::optional<tcp::acceptor> acceptor;
  std::optional<asio::steady_timer> pause;
  std::size_t next = 0;
};

void Listener::State::accept() {
  if (!acceptor->is_open()) return;
  asio::io_context& home = *contexts[next++ % contexts.size()];
  acceptor->async_accept(home, [this](error_code failure, tcp::socket socket) { take(failure, std::move(socket)); });
}

void Listener::State::take(const error_code& failure, tcp::socket socket) {
  if (!acceptor->is_open()) return;
  if (failure && failure != asio::error::connection_aborted) {  // above all: no descriptors left
    log_warn("server.accept_paused", {{"reason", failure.message()}});
    pause->expires_after(kPauseWithoutDescriptors);
    pause->async_wait([this](error_code) { accept(); });
    return;
  }
  if (!failure) {
    auto executor = socket.get_executor();
    asio::post(executor, [this, socket = std::make_shared<tcp::socket>(std::move(socket))] {
      accepted(make_asio_transport(std::move(*socket), use_tls ? &tls : nullptr));
    });
  }
  accept();
}

void Listener::State::run(std::size_t index) {
  set_thread_name("io-" + std::to_string(index));
  for (;;) {
    try {
      contexts[index]->run();
      return;
    } catch (const std::exception& e) {
      log_error("server.io_exception", {{"what", e.what()}});
    }
  }
}

Listener::Listener(std::unique_ptr<State> state) : state_(std::move(state)) {}
Listener::~Listener() { stop_threads(); }

Result<std::unique_ptr<Listener>> Listener::open(const HttpOptions& options) {
  auto state = std::make_unique<State>(std::max<std::size_t>(1, options.io_threads));
  if (options.tls) TRY(configure_tls(state->tls, *options.tls));
  state->use_tls = options.tls.has_value();
  tcp::endpoint endpoint = TRY(parse_endpoint(options.address, options.port));
  TRY(listen_on(*state->acceptor, endpoint));
  error_code failure;
  state->port = state->acceptor->local_endpoint(failure).port();
  return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

void Listener::start(Accepted accepted) {
  state_->accepted = std::move(accepted);
  asio::post(*state_->contexts.front(), [state = state_.get()] { state->accept(); });
  for (std::size_t i = 0; i < state_->contexts.size(); ++i)
    state_->threads.emplace_back([state = state_.get(), i] { state->run(i); });
}

std::uint16_t Listener::port() const { return state_->port; }

void Listener::stop_accepting() {
  if (state_->threads.empty()) return;
  // One step on every loop after the acceptor's: whatever was accepted before has been handed out by then.
  for (auto& context : state_->contexts) {
    std::promise<void> done;
    asio::post(*context, [this, &done, first = context == state_->contexts.front()] {
      error_code ignored;
      if (first) state_->acceptor->close(ignored);
      done.set_value();
    });
    done.get_future().wait();
  }
}

void Listener::stop_threads() {
  for (auto& guard : state_->guards) guard.reset();
  for (auto& context : state_->contexts) context->stop();
  state_->threads.clear();
}

}  // namespace skymoor::server
