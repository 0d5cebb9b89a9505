#include "fuse/remote/http_client.h"

#include "fuse/remote/curl/event_loop.h"
#include "shared/base/watchdog.h"

namespace skymoor::client {
namespace {

using curl::EventLoop;
using curl::Transfer;

class CurlHttpClient final : public HttpClient {
 public:
  CurlHttpClient(Options options, std::unique_ptr<EventLoop> loop)
      : options_(std::move(options)), loop_(std::move(loop)) {}

  Result<HttpResponse> perform(const HttpRequest& request) override {
    auto transfer = std::make_shared<Transfer>(options_, request, false);
    TRY(transfer->prepare());
    loop_->submit(transfer);
    std::stop_callback cancel(request.stop, [&] { loop_->cancel(transfer); });
    Watchdog::Idle idle;
    return transfer->wait();
  }

  Result<HttpResponse> stream(const HttpRequest& request, const StreamSink& sink) override {
    auto transfer = std::make_shared<Transfer>(options_, request, true);
    TRY(transfer->prepare());
    loop_->submit(transfer);
    std::stop_callback cancel(request.stop, [&] { loop_->cancel(transfer); });
    Watchdog::Idle idle;
    Status pumped = transfer->pump(sink);
    if (pumped.ok()) return transfer->wait();
    loop_->cancel(transfer);
    (void)transfer->wait();
    return std::move(pumped).error();
  }

  const std::string& base_url() const override { return options_.base_url; }

 private:
  const Options options_;
  const std::unique_ptr<EventLoop> loop_;
};

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::open(Options options) {
  options.base_url = TRY(normalize_server_url(options.base_url));
  auto loop = TRY(EventLoop::start(options.max_connections));
  return std::unique_ptr<HttpClient>(std::make_unique<CurlHttpClient>(std::move(options), std::move(loop)));
}

}  // namespace skymoor::client
