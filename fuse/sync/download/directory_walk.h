// DirectoryWalk: listings that a walk through the tree will ask for next.
#pragma once
#include <deque>
#include <list>
#include <thread>
#include <vector>

#include "fuse/sync/download/directory_fetcher.h"

namespace skymoor::client {

/// A program that goes through directories waits for the server at each that was never looked at, one after the other. Who
/// has waited for two directories of one parent is taken for such a program: what it comes to next is listed before it
/// asks, siblings in the order of readdir and children, in a window that doubles with each directory that it had to wait
/// for all the same.
///
/// Thread-safe. Best effort: a listing that fails is left to whoever needs it. Bounded: `limit` directories wait, the
/// oldest are forgotten. `stop` ends it.
class DirectoryWalk {
 public:
  struct Dependencies {
    MetadataStore& store;
    DirectoryFetcher& fetcher;
    Connection& connection;
    std::size_t limit = 64;   ///< directories ahead; 0: none
    std::size_t threads = 3;
    std::function<void()> after_listing;
  };
  explicit DirectoryWalk(Dependencies dependencies);
  ~DirectoryWalk() { stop(); }
  /// Somebody has waited for `directory`, which is listed now.
  void waited_for(InodeId directory);
  void stop();

 private:
  struct Waits {
    InodeId parent;
    unsigned count = 0;
  };
  bool note_wait(InodeId parent, InodeId grandparent);
  std::vector<InodeId> unlisted(InodeId directory, std::uint64_t after, std::size_t limit);
  void run(std::stop_token stop);

  // Constant after construction.
  const Dependencies d_;
  // Guarded by mutex_.
  Mutex mutex_{kDirectoryWalkRank, "sync.directory_walk"};
  CondVar changed_;
  std::list<Waits> waits_ GUARDED_BY(mutex_);   ///< newest first
  std::size_t window_ GUARDED_BY(mutex_) = 0;
  std::deque<InodeId> queue_ GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;
};

}  // namespace skymoor::client
