// Housekeeping: what a server does now and then without being asked.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "backend-server/app/scrub_progress.h"
#include "backend-server/block_store/partial_blocks.h"

namespace skymoor::server {

/// Compacts the block store, re-reads its blocks in passes, and drops abandoned uploads, in small steps on one thread
/// of its own. How far a pass has come is kept in a file: it goes on after a restart. Owns the thread. Failure: what fails is
/// logged and tried again at the next round.
class Housekeeping {
 public:
  struct Options {
    std::chrono::milliseconds round{5000};
    std::chrono::milliseconds scrub_every{std::chrono::hours(24 * 30)};
    std::uint64_t scrub_step_bytes = 16u << 20;   ///< about 3 MiB/s, so that it does not show
    int compaction_steps = 8;                     ///< in one round, at most
    std::string data_directory;                   ///< nothing is deleted while a backup of it is made
    std::string progress_file;                    ///< where a pass's progress is kept
    std::chrono::milliseconds save_every{60000};  ///< what a pass may do again after a restart
  };
  Housekeeping(Options options, Disk& disk, BlockStore& blocks, PartialBlocks& partial, const Clock& clock);
  ~Housekeeping() { stop(); }
  /// Blocks: until the step under way is done. Idempotent.
  void stop();

 private:
  void run(const std::stop_token& stop);
  void compact(const std::stop_token& stop);
  void load_progress();
  void scrub();
  void save_progress();

  // Constant after construction.
  const Options options_;
  Disk& disk_;
  BlockStore& blocks_;
  PartialBlocks& partial_;
  const Clock& clock_;
  // Of the thread.
  ScrubProgress pass_;
  Instant saved_;
  // Own synchronisation.
  std::mutex sleep_mutex_;
  std::condition_variable_any sleep_;
  std::jthread thread_;
};

}  // namespace skymoor::server
