// TreeView: the tree the planner reads, confirmed or in the making.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/bytes.h"
#include "shared/base/error.h"
#include "shared/base/ids.h"
#include "shared/model/attributes.h"

namespace skymoor::client {

/// One name in one directory.
struct Place {
  InodeId directory;
  std::string name;
  friend auto operator<=>(const Place&, const Place&) = default;
};

/// An inode as the planner sees it. Dead ones (no name left) stay readable: an edit of a deleted file revives it.
struct TreeNode {
  Attributes attributes;
  std::string target;
  OpId content;
  std::uint32_t names = 0;   ///< how many names it has in the volume, known here or not; the root: 1
  bool live() const { return names > 0; }
  bool directory() const { return attributes.type == FileType::kDirectory; }
};

/// Reads of one state of the tree. Not thread-safe. Errors of every read: NotPresent when only the server can tell.
class TreeView {
 public:
  virtual ~TreeView() = default;
  virtual Result<std::optional<TreeNode>> node(InodeId inode) = 0;
  virtual Result<std::optional<InodeId>> slot(const Place& place) = 0;
  virtual Result<std::vector<Place>> places(InodeId inode) = 0;   ///< the names known here, in order
  /// Where a dead inode was linked last.
  virtual Result<std::optional<Place>> last_place(InodeId inode) = 0;
  /// Names in a directory, at most `limit`, in no order that counts.
  virtual Result<std::vector<std::string>> children(InodeId directory, std::size_t limit) = 0;
  /// Extended attributes of an inode by name.
  virtual Result<std::map<std::string, Bytes>> xattrs(InodeId inode) = 0;
  /// Whether the inode exists only in what is being planned: nobody else can have moved it.
  virtual Result<bool> is_new(InodeId inode) {
    (void)inode;
    return false;
  }
  /// Whether only what is being planned has given the inode this name.
  virtual Result<bool> is_new_name(const Place& place, InodeId inode) {
    (void)place, (void)inode;
    return false;
  }
};

}  // namespace skymoor::client

template <>
struct std::hash<skymoor::client::Place> {
  std::size_t operator()(const skymoor::client::Place& place) const noexcept {
    return std::hash<std::string>{}(place.name) ^ std::hash<skymoor::InodeId>{}(place.directory);
  }
};
