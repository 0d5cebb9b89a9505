#include "fuse/sync/restore/server_tree.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kInodesAtOnce = 500;
constexpr std::size_t kEntriesAtOnce = 1000;
constexpr std::size_t kSmallManifestBytes = 512;
}  // namespace

Status ServerTree::check(Epoch epoch, Sequence sequence) const {
  if (epoch != epoch_) return Error(Code::kResync, "the server has begun yet another epoch");
  if (sequence != sequence_) return Error(Code::kConflict, "the server has moved on");
  return {};
}

Status ServerTree::load(const std::vector<InodeId>& inodes) {
  for (std::size_t begin = 0; begin < inodes.size(); begin += kInodesAtOnce) {
    const std::size_t end = std::min(inodes.size(), begin + kInodesAtOnce);
    const std::vector<InodeId> ids(inodes.begin() + static_cast<std::ptrdiff_t>(begin),
                                   inodes.begin() + static_cast<std::ptrdiff_t>(end));
    const InodePage page = TRY(d_.remote.inodes_dead_too(ids, d_.options));
    TRY(check(page.epoch, page.sequence));
    for (InodeId id : ids) rows_[id].reset();
    for (const InodeRecord& record : page.inodes) rows_[record.inode] = TRY(d_.rows.open_row(record, InodeId{}));
  }
  return {};
}

Result<const MetadataStore::ListedRow*> ServerTree::row(InodeId inode) {
  auto it = rows_.find(inode);
  if (it == rows_.end()) {
    TRY(load({inode}));
    it = rows_.find(inode);
  }
  return it->second ? &*it->second : nullptr;
}

Result<const std::map<std::string, InodeId>*> ServerTree::entries(InodeId directory) {
  auto [it, fresh] = entries_.try_emplace(directory);
  if (!fresh) return &it->second;
  Bytes cursor;
  do {
    auto page = d_.remote.list_directory(directory, cursor, kEntriesAtOnce, kSmallManifestBytes, d_.options);
    if (!page.ok() && (page.error().code() == Code::kNotFound || page.error().code() == Code::kNotDirectory)) break;
    if (!page.ok()) {
      entries_.erase(directory);
      return std::move(page).error();
    }
    TRY(check(page->epoch, page->sequence));
    for (const ListedEntry& entry : page->entries) {
      auto row = TRY(d_.rows.open_entry(entry, directory));
      entries_[directory][row.name] = row.inode.id;
      places_[row.inode.id].push_back({directory, row.name});
      rows_[row.inode.id] = std::move(row);
    }
    if (!page->next.empty() && page->next == cursor) return Error(Code::kCorrupt, "the server's listing has no end");
    cursor = std::move(page->next);
  } while (!cursor.empty());
  return &entries_[directory];
}

Result<std::optional<TreeNode>> ServerTree::node(InodeId inode) {
  const MetadataStore::ListedRow* known = TRY(row(inode));
  if (!known) return std::optional<TreeNode>();
  TreeNode node{known->inode.attributes, known->inode.target, known->inode.content, known->inode.links};
  if (node.directory()) node.names = known->inode.links > 0 || inode == kRootInode ? 1 : 0;
  return std::optional(std::move(node));
}

Result<std::optional<InodeId>> ServerTree::slot(const Place& place) {
  const auto* found = TRY(entries(place.directory));
  auto it = found->find(place.name);
  return it == found->end() ? std::optional<InodeId>() : std::optional(it->second);
}

/// Of something that no listing has shown: where the feed has put it since; or where a directory was that nobody moved.
Result<std::optional<Place>> ServerTree::place_unseen(InodeId inode, bool directory) {
  if (const auto& touches = d_.history.touches(inode); touches.linked) {
    if (directory || TRY(slot(*touches.linked)) == inode) return touches.linked;
    return std::optional<Place>();
  }
  if (!directory) return std::optional<Place>();
  const auto known = TRY(d_.confirmed.links(inode));
  if (known.empty()) return std::optional<Place>();
  return std::optional(Place{known.front().directory, known.front().name});
}

Result<std::vector<Place>> ServerTree::places(InodeId inode) {
  std::vector<Place> found;
  if (auto it = places_.find(inode); it != places_.end()) found = it->second;
  if (found.empty() && inode != kRootInode)
    if (auto here = TRY(node(inode)); here && here->live())
      if (auto place = TRY(place_unseen(inode, here->directory()))) found.push_back(std::move(*place));
  std::sort(found.begin(), found.end());
  return found;
}

Result<std::vector<std::string>> ServerTree::children(InodeId directory, std::size_t limit) {
  std::vector<std::string> names;
  for (const auto& [name, inode] : *TRY(entries(directory))) {
    if (names.size() == limit) break;
    names.push_back(name);
  }
  return names;
}

Result<std::map<std::string, Bytes>> ServerTree::xattrs(InodeId inode) {
  std::map<std::string, Bytes> found;
  if (const MetadataStore::ListedRow* known = TRY(row(inode))) found.insert(known->xattrs.begin(), known->xattrs.end());
  return found;
}

}  // namespace skymoor::client
