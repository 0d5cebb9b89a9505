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
/// Directories that were listed once, and of which the feed has told a name without telling all about it, are listed again:
/// without the network they could be neither listed nor changed.
///
/// Thread-safe. Best effort: a listing ahead that fails is left to whoever needs it; one that is made again is tried until it
/// succeeds. Bounded: `limit` directories wait, the oldest are forgotten, of those to be listed again 4,096. `stop` ends it.
class DirectoryWalk {
 public:
  struct Dependencies {
    MetadataStore& store;
    DirectoryFetcher& fetcher;
    Connection& connection;
    std::size_t limit = 64;   ///< directories ahead; 0: none
    std::size_t threads = 3;
  };
  explicit DirectoryWalk(Dependencies dependencies);
  ~DirectoryWalk() { stop(); }
  /// Somebody has waited for `directory`, which is listed now.
  void waited_for(InodeId directory);
  /// They were listed.
  void list_again(const std::vector<InodeId>& directories);
  void stop();

 private:
  struct Waits {
    InodeId parent;
    unsigned count = 0;
  };
  bool note_wait(InodeId parent, InodeId grandparent);
  std::vector<InodeId> unlisted(InodeId directory, std::uint64_t after, std::size_t limit);
  /// Empty: asked to stop.
  struct Next {
    InodeId directory;
    bool again = false;
  };
  std::optional<Next> next(const std::stop_token& stop);
  Status list(InodeId directory, const std::stop_token& stop);
  Status note_listed(InodeId directory, const Status& listed);
  void run(std::stop_token stop);

  // Constant after construction.
  const Dependencies d_;
  // Guarded by mutex_.
  Mutex mutex_{kDirectoryWalkRank, "sync.directory_walk"};
  CondVar changed_;
  std::list<Waits> waits_ GUARDED_BY(mutex_);   ///< newest first
  std::size_t window_ GUARDED_BY(mutex_) = 0;
  std::deque<InodeId> queue_ GUARDED_BY(mutex_), again_ GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point again_due_ GUARDED_BY(mutex_);   ///< one of `again_` has failed: the next not before
  std::chrono::milliseconds again_pause_ GUARDED_BY(mutex_){500};
  std::vector<std::jthread> threads_;
};

}  // namespace skymoor::client
