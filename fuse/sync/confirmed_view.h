// ConfirmedView: the store's confirmed tree as the planner reads it.
#pragma once
#include "fuse/journal/metadata_store.h"
#include "fuse/sync/plan/tree_view.h"

namespace skymoor::client {

/// Borrows the snapshot. Notes what a NotPresent answer was about, so that the caller can get it from the server; or
/// takes it for "nothing", where the answer has been given before and only what is known here can have mattered.
class ConfirmedView final : public TreeView {
 public:
  enum class Unlisted { kAsk, kEmpty };
  explicit ConfirmedView(MetadataStore::Confirmed& tree, Unlisted unlisted = Unlisted::kAsk)
      : tree_(tree), unlisted_(unlisted) {}
  Result<std::optional<TreeNode>> node(InodeId inode) override;
  Result<std::optional<InodeId>> slot(const Place& place) override;
  Result<std::vector<Place>> places(InodeId inode) override;
  Result<std::optional<Place>> last_place(InodeId inode) override;
  Result<std::vector<std::string>> children(InodeId directory, std::size_t limit) override;
  Result<std::map<std::string, Bytes>> xattrs(InodeId inode) override;

  /// The directory whose listing was missing, after an answer NotPresent.
  std::optional<InodeId> lacking() const { return lacking_; }

 private:
  template <typename T>
  Result<T> noted(Result<T> answer, InodeId about) {
    if (answer.ok() || answer.error().code() != Code::kNotPresent) return answer;
    if (unlisted_ == Unlisted::kEmpty) return T{};
    lacking_ = about;
    return answer;
  }

  MetadataStore::Confirmed& tree_;
  const Unlisted unlisted_;
  std::optional<InodeId> lacking_;
};

}  // namespace skymoor::client
