// PinnedNames: the dentries that the database does not hold yet, by directory and by inode.
#pragma once
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "fuse/journal/rows.h"

namespace skymoor::client {

/// Lays changed names over what the database lists: told of each pinned row and of each that is pinned no more. Not
/// thread-safe. Shares the rows.
class PinnedNames {
 public:
  using Row = std::shared_ptr<const DentryRow>;

  /// A pinned entry came, changed or went. Null rows: the name is not there. `was_pinned`, `is_pinned`: whether the
  /// entry counts before and after. `name` is that of the entry and stays where it is for as long as it is pinned.
  void change(InodeId directory, std::string_view name, const DentryRow* before, bool was_pinned, const Row& after,
              bool is_pinned) {
    Directory& d = directories_[directory];
    if (was_pinned != is_pinned) is_pinned ? (void)d.names.insert(name) : (void)d.names.erase(name);
    if (was_pinned) {
      if (before) {
        d.rows.erase(before->cookie);
        forget_link(*before);
      }
    }
    if (is_pinned && after) {
      d.rows[after->cookie] = after;
      links_.emplace(after->inode, after);
    }
    if (d.names.empty()) directories_.erase(directory);
  }

  /// The names of which the database's listing of the directory says nothing; null: it is the whole truth. Valid until
  /// the next change.
  using Names = std::unordered_set<std::string_view>;
  const Names* of(InodeId directory) const {
    auto it = directories_.find(directory);
    return it == directories_.end() ? nullptr : &it->second.names;
  }
  bool any_present(InodeId directory) const {
    auto it = directories_.find(directory);
    return it != directories_.end() && !it->second.rows.empty();
  }
  /// Up to `limit` pinned rows with a cookie greater than `after`, in order.
  std::vector<Row> after(InodeId directory, std::uint64_t after, std::size_t limit) const {
    std::vector<Row> out;
    auto it = directories_.find(directory);
    if (it == directories_.end()) return out;
    const auto& rows = it->second.rows;
    for (auto row = rows.upper_bound(after); row != rows.end() && out.size() < limit; ++row) out.push_back(row->second);
    return out;
  }
  std::vector<Row> links(InodeId inode) const {
    std::vector<Row> out;
    auto [begin, end] = links_.equal_range(inode);
    for (auto it = begin; it != end; ++it) out.push_back(it->second);
    return out;
  }
  void clear() {
    directories_.clear();
    links_.clear();
  }

 private:
  void forget_link(const DentryRow& row) {
    auto [begin, end] = links_.equal_range(row.inode);
    for (auto it = begin; it != end; ++it)
      if (it->second->directory == row.directory && it->second->name == row.name) {
        links_.erase(it);
        return;
      }
  }

  struct Directory {
    Names names;                        // pinned entries, also those that are not there
    std::map<std::uint64_t, Row> rows;  // by cookie
  };
  std::unordered_map<InodeId, Directory> directories_;
  std::unordered_multimap<InodeId, Row> links_;
};

}  // namespace skymoor::client
