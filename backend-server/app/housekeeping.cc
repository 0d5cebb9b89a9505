#include "backend-server/app/housekeeping.h"

#include "backend-server/app/data_hold.h"
#include "shared/base/executor.h"
#include "shared/base/log.h"

namespace skymoor::server {

Housekeeping::Housekeeping(Options options, Disk& disk, BlockStore& blocks, PartialBlocks& partial, const Clock& clock)
    : options_(std::move(options)),
      disk_(disk),
      blocks_(blocks),
      partial_(partial),
      clock_(clock),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Housekeeping::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Housekeeping::run(const std::stop_token& stop) {
  set_thread_name("housekeeping");
  load_progress();
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
  if (pass_.under_way()) save_progress();
}

void Housekeeping::compact(const std::stop_token& stop) {
  for (int step = 0; step < options_.compaction_steps && !stop.stop_requested(); ++step) {
    // Each deletes segments, which a backup may be copying.
    const auto hold = DataHold::share(options_.data_directory);
    if (!hold.ok() && hold.error().code() == Code::kBusy) return;
    if (!hold.ok()) return log_warn("housekeeping.compaction_failed", {{"error", hold.error()}});
    auto more = blocks_.maintain();
    if (!more.ok()) return log_warn("housekeeping.compaction_failed", {{"error", more.error()}});
    if (!*more) return;
  }
}

void Housekeeping::load_progress() {
  auto kept = load_scrub_progress(disk_, options_.progress_file);
  if (kept.ok()) pass_ = std::move(*kept);
  else log_warn("scrub.begins_anew", {{"file", options_.progress_file}, {"error", kept.error()}});
  saved_ = clock_.monotonic();
}

void Housekeeping::save_progress() {
  Status saved = save_scrub_progress(disk_, options_.progress_file, pass_);
  if (!saved.ok()) log_warn("scrub.progress_not_saved", {{"error", saved.error()}});
  saved_ = clock_.monotonic();
}

void Housekeeping::scrub() {
  if (!pass_.due(clock_.now(), options_.scrub_every)) return;
  if (!pass_.under_way()) pass_ = {.done = pass_.done};
  auto step = blocks_.scrub({pass_.after, options_.scrub_step_bytes});
  if (!step.ok()) return log_warn("housekeeping.scrub_failed", {{"error", step.error()}});
  pass_.blocks += step->blocks;
  pass_.bytes += step->bytes;
  pass_.damaged += step->damaged.size();
  for (const BlockName& name : step->damaged)
    log_error("scrub.block_damaged", {{"volume", name.volume.hex()}, {"block", name.block.hex()}});
  pass_.after = step->next;
  if (!pass_.under_way()) {
    pass_.done = clock_.now();
    log_info("scrub.pass_done", {{"blocks", pass_.blocks}, {"bytes", pass_.bytes}, {"damaged", pass_.damaged}});
  } else if (clock_.monotonic() - saved_ < options_.save_every) {
    return;
  }
  save_progress();
}

}  // namespace skymoor::server
