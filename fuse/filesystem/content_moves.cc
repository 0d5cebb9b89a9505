// A re-plan gives the content of a file to a conflict copy, or takes it back, while programs have the file open.
#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Filesystem::Moves Engine::open_among(const Moves& moves) {
  MutexLock lock(store_.mutex());
  Moves open;
  for (const auto& move : moves)
    if (is_open(lock, move.first)) open.push_back(move);
  return open;
}

/// By a program, or by a mapping that may have outlived its handle.
bool Engine::is_open(const MutexLock&, InodeId inode) const { return open_.contains(inode) || lingering_.contains(inode); }

/// Who opened a file goes on with the content that he opened, whatever it is called by now.
Filesystem::Moves Engine::rows_moved(const MutexLock& lock, const Moves& moves) {
  Moves followed;
  for (const auto& [from, to] : moves) {
    allocated_.erase(from);
    allocated_.erase(to);
    if (!is_open(lock, from)) continue;
    for (auto* table : {&open_, &lingering_}) {
      auto ours = table->extract(from), others = table->extract(to);
      // Its new name is not on the disk yet: bytes in the log would be put into another file.
      if (ours) ours.mapped()->unsynced.lost_track();
      if (ours) ours.mapped()->id = ours.key() = to;
      if (others) others.mapped()->id = others.key() = from;
      for (auto* node : {&ours, &others})
        if (*node) table->insert(std::move(*node));
    }
    moving_.insert({from, to});
    followed.emplace_back(from, to);
  }
  return followed;
}

void Engine::files_moved() {
  MutexLock lock(store_.mutex());
  moving_.clear();
  files_moved_.notify_all();
}

/// Under its new number a file is not there yet: whoever looked now would take its bytes for lost.
void Engine::wait_for_file(MutexLock& lock, const OpenInode& inode) {
  while (moving_.count(inode.id) != 0) files_moved_.wait(lock);
}

}  // namespace skymoor::client
