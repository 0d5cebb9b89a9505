#include "backend-server/http/http_server.h"

#include "backend-server/http/connection/connection.h"
#include "backend-server/http/network/listener.h"
#include "shared/base/log.h"

namespace skymoor::server {
namespace {
constexpr std::chrono::seconds kForcedEnd{2};  // for closed sockets' callbacks to run
}

struct HttpServer::State {
  State(HttpOptions options, Router router) : core(std::move(options), std::move(router)) {}

  // Destroyed last: connections that are still held by dropped callbacks go with the listener.
  ServerCore core;
  std::unique_ptr<Listener> listener;
  bool stopped = false;
};

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpServer::~HttpServer() { stop(std::chrono::milliseconds(0)); }

Result<std::unique_ptr<HttpServer>> HttpServer::open(HttpOptions options, Router router) {
  auto listener = TRY(Listener::open(options));
  auto state = std::make_unique<State>(std::move(options), std::move(router));
  state->listener = std::move(listener);
  state->listener->start([core = &state->core](std::shared_ptr<Transport> transport) {
    const std::string peer = transport->remote_address();
    auto connection = std::make_shared<HttpConnection>(*core, std::move(transport));
    const std::string network = core->options.trusted_proxies.trusts(peer) ? std::string() : network_of(peer);
    if (core->stopping || !core->connections.add(connection, core->options.max_connections, network)) {
      core->refused_connections.fetch_add(1);
      log_debug("http.connection_refused", {{"peer", peer}, {"limit", core->options.max_connections}});
      return;
    }
    connection->start();
  });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

std::uint16_t HttpServer::port() const { return state_->listener->port(); }

HttpGauges HttpServer::gauges() const {
  const ServerCore& core = state_->core;
  return {core.connections.size(), core.streams.size(), core.workers.queued(), core.body_memory.load(),
          core.refused_connections.load()};
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  if (std::exchange(state_->stopped, true)) return;
  ServerCore& core = state_->core;
  core.stopping = true;
  state_->listener->stop_accepting();
  for (const auto& connection : core.connections.all()) connection->stop(false);
  if (!core.connections.wait_empty(grace)) {
    if (grace.count() > 0) log_warn("server.connections_cut", {{"connections", core.connections.size()}});
    for (const auto& connection : core.connections.all()) connection->stop(true);
  }
  core.workers.stop();
  core.connections.wait_empty(kForcedEnd);
  state_->listener->stop_threads();
}

}  // namespace skymoor::server
