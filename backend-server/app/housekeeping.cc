#include "backend-server/app/housekeeping.h"

#include "shared/base/executor.h"
#include "shared/base/log.h"

namespace skymoor::server {

Housekeeping::Housekeeping(Options options, BlockStore& blocks, PartialBlocks& partial, const Clock& clock)
    : options_(options),
      blocks_(blocks),
      partial_(partial),
      clock_(clock),
      next_pass_(clock.monotonic() + options.scrub_every),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Housekeeping::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Housekeeping::run(const std::stop_token& stop) {
  set_thread_name("housekeeping");
  while (!stop.stop_requested()) {
    try {
      partial_.drop_idle();
      compact(stop);
      scrub();
    } catch (const std::exception& e) {
      log_error("housekeeping.exception", {{"what", e.what()}});
    }
    std::unique_lock lock(sleep_mutex_);
    sleep_.wait_for(lock, stop, options_.round, [] { return false; });
  }
}

void Housekeeping::compact(const std::stop_token& stop) {
  for (int step = 0; step < options_.compaction_steps && !stop.stop_requested(); ++step) {
    auto more = blocks_.maintain();
    if (!more.ok()) return log_warn("housekeeping.compaction_failed", {{"error", more.error()}});
    if (!*more) return;
  }
}

void Housekeeping::scrub() {
  if (!in_pass_ && clock_.monotonic() < next_pass_) return;
  if (!in_pass_) pass_ = {};
  in_pass_ = true;
  auto step = blocks_.scrub({scrubbed_, options_.scrub_step_bytes});
  if (!step.ok()) return log_warn("housekeeping.scrub_failed", {{"error", step.error()}});
  pass_.blocks += step->blocks;
  pass_.bytes += step->bytes;
  for (const BlockName& name : step->damaged)
    log_error("scrub.block_damaged", {{"volume", name.volume.hex()}, {"block", name.block.hex()}});
  scrubbed_ = step->next;
  if (scrubbed_) return;
  in_pass_ = false;
  next_pass_ = clock_.monotonic() + options_.scrub_every;
  log_info("scrub.pass_done", {{"blocks", pass_.blocks}, {"bytes", pass_.bytes}});
}

}  // namespace skymoor::server
