#include "backend-server/api/metrics.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace skymoor::server {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

const Histogram::BucketBoundaries kSeconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                           0.1,    0.25,  0.5,    1,     2.5,  5,     10};

Family<Counter>& counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

/// Second number of /proc/self/statm, in pages.
double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0, resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
  std::error_code ignored;
  std::size_t count = 0;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", ignored);
       it != std::filesystem::directory_iterator(); it.increment(ignored))
    ++count;
  return static_cast<double>(count);
}

double number(std::uint64_t value) { return static_cast<double>(value); }

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;
  Family<Counter>& requests = counters(registry, "skymoor_http_requests_total", "Requests answered.");
  Family<Histogram>& seconds = prometheus::BuildHistogram()
                                   .Name("skymoor_http_request_seconds")
                                   .Help("From the whole head of a request to the last byte of its answer.")
                                   .Register(registry);
  Counter& received = counters(registry, "skymoor_http_received_bytes_total", "Bytes of requests' bodies.").Add({});
  Counter& sent = counters(registry, "skymoor_http_sent_bytes_total", "Bytes of answers' bodies.").Add({});
  Counter& commits = counters(registry, "skymoor_commits_total", "Commits applied, repetitions included.").Add({});
  Counter& uploaded_blocks =
      counters(registry, "skymoor_uploaded_blocks_total", "Blocks durable after an upload.").Add({});
  Counter& uploaded_bytes = counters(registry, "skymoor_uploaded_pack_bytes_total", "Bytes of packs taken in.").Add({});
  Counter& cut_packs = counters(registry, "skymoor_truncated_packs_total", "Packs whose connection broke.").Add({});
  Gauge& connections = gauge(registry, "skymoor_connections", "Open connections.");
  Gauge& streams = gauge(registry, "skymoor_event_streams", "Open event streams.");
  Gauge& queued = gauge(registry, "skymoor_queued_requests", "Requests that wait for a worker.");
  Gauge& body_memory = gauge(registry, "skymoor_body_memory_bytes", "Memory reserved for bodies under way.");
  Gauge& refused = gauge(registry, "skymoor_refused_connections", "Connections over the limit, since the start.");
  Gauge& blocks = gauge(registry, "skymoor_stored_blocks", "Live blocks.");
  Gauge& block_bytes = gauge(registry, "skymoor_stored_block_bytes", "Sealed bytes of live blocks.");
  Gauge& disk_bytes = gauge(registry, "skymoor_block_disk_bytes", "Block files, dead records included.");
  Gauge& free_bytes = gauge(registry, "skymoor_disk_free_bytes", "Free bytes of the data directory's disk.");
  Gauge& staged_blocks = gauge(registry, "skymoor_staged_blocks", "Blocks whose upload is not complete.");
  Gauge& staged_bytes = gauge(registry, "skymoor_staged_bytes", "Memory they take.");
  Gauge& resident = gauge(registry, "process_resident_memory_bytes", "Resident memory of the process.");
  Gauge& descriptors = gauge(registry, "process_open_fds", "Open file descriptors.");
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::observe(const RequestSummary& request) {
  // Only known methods and patterns become labels: what clients make up must not grow the registry.
  std::string route(request.route.empty() ? "none" : request.route);
  std::string method(request.route.empty() ? "none" : request.method);
  state_->requests.Add({{"method", method}, {"route", route}, {"status", std::to_string(request.status)}}).Increment();
  state_->seconds.Add({{"method", method}, {"route", route}}, kSeconds)
      .Observe(std::chrono::duration<double>(request.time).count());
  state_->received.Increment(number(request.received_bytes));
  state_->sent.Increment(number(request.sent_bytes));
}

void Metrics::count_commit() { state_->commits.Increment(); }

void Metrics::count_upload(std::size_t blocks, std::size_t pack_bytes, bool truncated) {
  state_->uploaded_blocks.Increment(number(blocks));
  state_->uploaded_bytes.Increment(number(pack_bytes));
  if (truncated) state_->cut_packs.Increment();
}

std::string Metrics::render(const HttpGauges& http, const StorageGauges& storage) {
  state_->connections.Set(number(http.connections));
  state_->streams.Set(number(http.streams));
  state_->queued.Set(number(http.queued_requests));
  state_->body_memory.Set(number(http.body_memory_bytes));
  state_->refused.Set(number(http.refused_connections));
  state_->blocks.Set(number(storage.blocks));
  state_->block_bytes.Set(number(storage.block_bytes));
  state_->disk_bytes.Set(number(storage.disk_bytes));
  state_->free_bytes.Set(number(storage.free_bytes));
  state_->staged_blocks.Set(number(storage.staged_blocks));
  state_->staged_bytes.Set(number(storage.staged_bytes));
  state_->resident.Set(resident_bytes());
  state_->descriptors.Set(open_descriptors());
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

}  // namespace skymoor::server
