// Devices that work apart and meet at a compare-and-set arbiter: the conflict rules under random schedules.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "fuse/sync/plan/net_effects.h"
#include "fuse/sync/plan/overlay.h"
#include "fuse/sync/plan/planner.h"
#include "tests/support/memory_tree.h"

namespace skymoor::client::model {

/// What a run broke: the message of the exception that ends it.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The server of the model: versions of slots, inodes and child sets, op ids once only.
class Arbiter {
 public:
  struct Options {
    bool knows_op_ids = true;
    bool compares_versions = true;
  };
  struct Entry {
    OpId op;
    std::vector<TreeEffect> effects;
  };
  explicit Arbiter(Options options) : options_(options) {}

  bool commit(OpId op, std::uint64_t base, const std::vector<TreeEffect>& effects,
              const std::vector<PlannedRead>& reads);
  bool knows(OpId op) const { return done_.contains(op); }
  const std::vector<Entry>& log() const { return log_; }
  MemoryTree& tree() { return tree_; }

 private:
  bool fits(const std::vector<TreeEffect>& effects);
  void bump(const TreeEffect& effect);

  const Options options_;
  MemoryTree tree_;
  std::vector<Entry> log_;
  std::map<PlannedRead, std::uint64_t> versions_;
  std::set<OpId> done_;
};

/// Digests of contents: two ids with one digest are the same bytes.
using Digests = std::map<OpId, int>;

/// One device: confirmed tree, pending records, and the visible tree planned from both.
class ModelDevice {
 public:
  ModelDevice(std::string name, WriterId writer, Arbiter& arbiter, Digests& digests, PlannerRules rules);

  Lsn next_lsn() const { return Lsn{last_lsn_.value + 1}; }
  WriterId writer() const { return context_.writer; }
  Overlay& view() { return *view_; }
  /// Live names of the visible tree, in order.
  std::vector<std::pair<Place, InodeId>> entries();
  void author(LogRecord record);
  void pull();
  /// Sends the first records, at most `limit`, as one commit. `lose_answer`: the device does not hear of it. `ahead`: with the
  /// contents of files as they are by now, as a commit that is full does.
  void push(std::size_t limit, bool lose_answer, bool ahead = false);
  void restart();   ///< what is kept across a restart is kept, the rest is planned anew

  bool idle() const { return pending_.empty(); }
  MemoryTree& confirmed() { return confirmed_; }
  unsigned conflict_names() const { return conflict_names_; }

 private:
  struct Planned {
    std::vector<TreeEffect> effects;
    std::vector<PlannedRead> reads;
    Aliases aliases;
    unsigned conflict_names = 0;
  };
  Planned plan_batch(std::size_t count);
  void send_ahead(std::vector<TreeEffect>& effects);
  void acknowledge(const Arbiter::Entry& entry);
  void rebuild();
  bool answer(const Questions& questions);

  PlanContext context_;
  Arbiter& arbiter_;
  Digests& digests_;
  MemoryTree confirmed_;
  std::uint64_t cursor_ = 0;
  Lsn last_lsn_;
  std::deque<LogRecord> pending_;
  Aliases aliases_;                  ///< of acknowledged records, and answers to questions
  Aliases provisional_;              ///< of pending ones, as of the visible tree
  std::unique_ptr<Overlay> view_;
  bool answer_outstanding_ = false;
  unsigned conflict_names_ = 0;
};

/// The same effects in another order that keeps those apart in order which touch the same things.
std::vector<TreeEffect> shuffled(const std::vector<TreeEffect>& effects, std::mt19937_64& dice);

struct RunOptions {
  std::uint64_t seed = 0;
  int devices = 3;
  int steps = 60;
  std::string names = "abc";
  int writers = 0;                   ///< only the first so many devices change anything; 0: all
  bool hard_links = true;
  bool sends_ahead = false;          ///< commits carry contents of later records
  bool shuffle = false;              ///< applies every commit once more, in another order, and compares the trees
  PlannerRules rules{};
  Arbiter::Options arbiter{};
};
struct RunOutcome {
  unsigned conflict_names = 0;
  std::size_t commits = 0;
  int rounds = 0;
};
/// One schedule, to the end: throws Violation when devices diverge, content is lost, the tree is broken or planning
/// does not come to an end.
RunOutcome run(const RunOptions& options);

}  // namespace skymoor::client::model
