// UnseenList: inodes to be remembered: which files the kernel may be writing to unseen, and which vouch for themselves.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "shared/base/file.h"
#include "shared/base/ids.h"

namespace skymoor::client {

/// A file of 8-byte slots (little endian inode ids, 0: free), written in place. It survives the process, and what was
/// synced the machine. Not thread-safe, but for `sync`. Owns its file.
class UnseenList {
 public:
  static Result<std::unique_ptr<UnseenList>> open(Disk& disk, const std::string& path);
  Status set(InodeId inode, bool on);
  /// Durability: what was set before survives a power cut.
  Status sync() { return file_->sync(); }
  bool contains(InodeId inode) const { return slots_.count(inode) != 0; }
  std::vector<InodeId> all() const;

 private:
  explicit UnseenList(std::unique_ptr<File> file) : file_(std::move(file)) {}
  Status write_slot(std::size_t slot, InodeId inode);

  std::unique_ptr<File> file_;
  std::unordered_map<InodeId, std::size_t> slots_;
  std::vector<std::size_t> free_;
  std::size_t end_ = 0;
};

}  // namespace skymoor::client
