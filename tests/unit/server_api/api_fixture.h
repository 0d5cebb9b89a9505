// A whole server in this process, plain HTTP on the loopback, over a temporary directory.
#pragma once
#include <gmock/gmock.h>

#include "backend-server/api/api.h"
#include "backend-server/block_store/local/segment_block_store.h"
#include "backend-server/block_store/partial_blocks.h"
#include "backend-server/http/http_server.h"
#include "tests/support/api_client.h"
#include "tests/support/temp_dir.h"

namespace skymoor::server {

using testing_support::ApiClient;
using testing_support::HttpAnswer;
using testing_support::RawHttp;

class ApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SegmentBlockStore::Options store;
    store.directory = directory_ / "blocks";
    store.reserve_bytes = 0;
    ASSERT_TRUE(disk_.make_directories(store.directory, 0700).ok());
    auto blocks = SegmentBlockStore::open(disk_, random_, store);
    ASSERT_TRUE(blocks.ok()) << blocks.error().to_string();
    blocks_ = std::move(*blocks);
    partial_ = std::make_unique<PartialBlocks>(clock_);
    ServiceOptions options;
    options.directory = directory_.path();
    options.accounts.server_name = "test.example";
    options.accounts.scrypt_log_n = 4;
    auto services = Services::open(std::move(options), {disk_, *blocks_, *partial_, clock_, random_});
    ASSERT_TRUE(services.ok()) << services.error().to_string();
    services_ = std::move(*services);
    ApiOptions api;
    api.http_gauges = [this] { return server_ ? server_->gauges() : HttpGauges{}; };
    api_ = std::make_unique<Api>(*services_, metrics_, api);
    HttpOptions http;
    http.address = "127.0.0.1";
    http.port = 0;
    http.worker_threads = 4;
    http.observe = [this](const RequestSummary& request) { metrics_.observe(request); };
    auto server = HttpServer::open(http, api_->routes());
    ASSERT_TRUE(server.ok()) << server.error().to_string();
    server_ = std::move(*server);
  }
  void TearDown() override {
    if (server_) server_->stop(std::chrono::seconds(5));
  }

  ApiClient stranger() { return ApiClient(server_->port(), RawHttp::Security::kPlain); }
  ApiClient user(const std::string& name) {
    ApiClient client = stranger();
    client.sign_up(name, "password of " + name);
    return client;
  }

  testing::TempDir directory_;
  PosixDisk disk_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<SegmentBlockStore> blocks_;
  std::unique_ptr<PartialBlocks> partial_;
  std::unique_ptr<Services> services_;
  Metrics metrics_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace skymoor::server
