#include "fuse/sync/confirmed_view.h"

namespace skymoor::client {

Result<std::optional<TreeNode>> ConfirmedView::node(InodeId inode) {
  auto row = TRY(noted(tree_.inode(inode), inode));
  if (!row) return std::optional<TreeNode>();
  TreeNode node{row->attributes, std::move(row->target), row->content, row->links};
  // A directory's links count its subdirectories too: here it has one name, or none.
  if (node.directory()) node.names = row->links > 0 || inode == kRootInode ? 1 : 0;
  return std::optional(std::move(node));
}

Result<std::optional<InodeId>> ConfirmedView::slot(const Place& place) {
  return noted(tree_.dentry(place.directory, place.name), place.directory);
}

Result<std::vector<Place>> ConfirmedView::places(InodeId inode) {
  std::vector<Place> places;
  for (DentryRow& row : TRY(noted(tree_.links(inode), inode))) places.push_back({row.directory, std::move(row.name)});
  std::sort(places.begin(), places.end());
  return places;
}

Result<std::optional<Place>> ConfirmedView::last_place(InodeId inode) {
  auto row = TRY(noted(tree_.last_place(inode), inode));
  // A place whose name never was known here is none.
  if (!row || row->name.empty()) return std::optional<Place>();
  return std::optional(Place{row->directory, std::move(row->name)});
}

Result<std::vector<std::string>> ConfirmedView::children(InodeId directory, std::size_t limit) {
  return noted(tree_.children(directory, {}, limit), directory);
}

Result<std::map<std::string, Bytes>> ConfirmedView::xattrs(InodeId inode) {
  std::map<std::string, Bytes> found;
  for (std::string& name : TRY(noted(tree_.xattr_names(inode), inode)))
    if (auto value = TRY(noted(tree_.xattr(inode, name), inode))) found.emplace(std::move(name), std::move(*value));
  return found;
}

}  // namespace skymoor::client
