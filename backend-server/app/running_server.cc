#include "backend-server/app/running_server.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>

#include "backend-server/api/api.h"
#include "backend-server/app/housekeeping.h"
#include "backend-server/app/identity.h"
#include "backend-server/block_store/local/segment_block_store.h"
#include "skymoor_version.h"
#include "shared/base/fault_plan.h"
#include "shared/base/log.h"

namespace skymoor::server {
namespace {

/// Every connection takes a descriptor; the usual soft limit of 1024 is for programs that use select(2).
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<UniqueFd> take_directory(Disk& disk, const std::string& directory) {
  TRY(disk.make_directories(directory, 0700));
  struct stat info {};
  if (::stat(directory.c_str(), &info) == 0 && (info.st_mode & 0077) != 0 && ::chmod(directory.c_str(), 0700) != 0)
    return Error::from_errno(errno, directory + ": cannot take the rights of others away");
  auto lock = lock_directory(directory);
  if (!lock.ok()) {
    if (lock.error().code() != Code::kBusy) return std::move(lock).error();
    return Error(Code::kBusy, "another skymoord uses " + directory + " (" + lock.error().message() + ")");
  }
  return lock;
}

}  // namespace

struct RunningServer::State {
  Status open_storage();
  Status open_services(const LoginIdentity& identity);
  Status open_http();
  StorageGauges storage_gauges();

  ServerConfig config;
  std::string fingerprint;
  bool stopped = false;
  // In order of dependency: destroyed from the last to the first.
  PosixDisk disk{fault_hook_from_environment()};
  SystemClock clock;
  SystemRandom random;
  UniqueFd directory_lock;
  std::unique_ptr<SegmentBlockStore> blocks;
  std::unique_ptr<PartialBlocks> partial;
  std::unique_ptr<Services> services;
  std::unique_ptr<Housekeeping> housekeeping;
  Metrics metrics;
  std::unique_ptr<Api> api;
  std::atomic<HttpServer*> http_for_gauges{nullptr};
  std::unique_ptr<HttpServer> http;
};

Status RunningServer::State::open_storage() {
  SegmentBlockStore::Options options;
  options.directory = config.directory + "/blocks";
  TRY(disk.make_directories(options.directory, 0700));
  blocks = TRY(SegmentBlockStore::open(disk, random, std::move(options)));
  TRY(require_blocks(disk, config.directory, blocks->stats().blocks));
  partial = std::make_unique<PartialBlocks>(clock);
  return {};
}

Status RunningServer::State::open_services(const LoginIdentity& identity) {
  ServiceOptions options;
  options.directory = config.directory;
  options.accounts.allow_signup = config.allow_signup;
  options.accounts.server_name = identity.server_name;
  options.accounts.scrypt_log_n = identity.scrypt_log_n;
  options.login_limits.network_hourly = config.logins_per_network;
  options.default_quota_bytes = config.default_quota_bytes;
  options.access_lifetime = config.access_lifetime;
  options.refresh_retry = config.refresh_retry;
  services = TRY(Services::open(std::move(options), {disk, *blocks, *partial, clock, random}));
  return {};
}

Status RunningServer::State::open_http() {
  ApiOptions options;
  options.metrics_for_all = config.metrics_for_all;
  options.storage_gauges = [this] { return storage_gauges(); };
  options.http_gauges = [this] {
    HttpServer* server = http_for_gauges.load();
    return server ? server->gauges() : HttpGauges{};
  };
  api = std::make_unique<Api>(*services, metrics, std::move(options));
  HttpOptions http_options = config.http;
  http_options.observe = [this](const RequestSummary& request) { metrics.observe(request); };
  if (config.tls) {
    TlsFiles files = TRY(load_or_make_tls(disk, config, clock.now()));
    fingerprint = files.fingerprint;
    http_options.tls = std::move(files.identity);
  }
  http = TRY(HttpServer::open(std::move(http_options), api->routes()));
  http_for_gauges = http.get();
  return {};
}

StorageGauges RunningServer::State::storage_gauges() {
  BlockStoreStats stored = blocks->stats();
  PartialBlocks::Stats staged = partial->stats();
  return {stored.blocks,  stored.block_bytes, stored.disk_bytes, disk.free_bytes(config.directory).value_or(0),
          staged.blocks, staged.bytes};
}

RunningServer::RunningServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunningServer::~RunningServer() { stop(std::chrono::milliseconds(0)); }

Result<std::unique_ptr<RunningServer>> RunningServer::open(ServerConfig config) {
  raise_descriptor_limit();
  auto state = std::make_unique<State>();
  state->config = std::move(config);
  state->directory_lock = TRY(take_directory(state->disk, state->config.directory));
  TRY(require_whole_data(state->disk, state->config.directory));
  LoginIdentity identity = TRY(load_or_make_login_identity(state->disk, state->config));
  TRY(state->open_storage());
  TRY(state->open_services(identity));
  TRY(state->open_http());
  Housekeeping::Options housekeeping;
  housekeeping.scrub_every = state->config.scrub_every;
  housekeeping.data_directory = state->config.directory;
  housekeeping.progress_file = state->config.directory + "/scrub.toml";
  state->housekeeping = std::make_unique<Housekeeping>(std::move(housekeeping), state->disk, *state->blocks, *state->partial,
                                                       state->clock);
  log_info("server.started", {{"version", SKYMOOR_VERSION},
                              {"address", state->config.http.address},
                              {"port", state->http->port()},
                              {"data", state->config.directory},
                              {"tls", state->config.tls},
                              {"fingerprint", state->fingerprint}});
  if (!state->config.tls && !is_loopback_host(state->config.http.address))
    log_warn("server.unencrypted",
             {{"address", state->config.http.address},
              {"why", "tls=off sends tokens in the clear: listen on 127.0.0.1 behind a proxy with TLS, or leave tls on"}});
  return std::unique_ptr<RunningServer>(new RunningServer(std::move(state)));
}

std::uint16_t RunningServer::port() const { return state_->http->port(); }
const std::string& RunningServer::fingerprint() const { return state_->fingerprint; }

void RunningServer::stop(std::chrono::milliseconds grace) {
  if (std::exchange(state_->stopped, true)) return;
  state_->http->stop(grace);
  state_->housekeeping->stop();
  state_->http_for_gauges = nullptr;
  state_->http.reset();
  state_->api.reset();
  state_->services.reset();
  if (Status closed = state_->blocks->close(); !closed.ok())
    log_error("server.close_failed", {{"error", closed.error()}});
  state_->housekeeping.reset();
  state_->blocks.reset();
  state_->directory_lock.reset();
  log_info("server.stopped");
}

}  // namespace skymoor::server
