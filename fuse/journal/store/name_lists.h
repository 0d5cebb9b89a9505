// NameLists: the entries of directories that were listed lately, in memory.
#pragma once
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "fuse/journal/rows.h"

namespace skymoor::client {

/// The entries that a directory shows, in the order of their cookies, from the first one to the last that somebody has read
/// (`through`): what stands there is listed without the database, which would walk over an index entry by entry.
///
/// Told of every entry that comes, goes or stands for something else; whoever cannot tell forgets the directory. Not thread-safe:
/// lives under the namespace lock. Bounded: by entries over all directories (those used least recently go), and a directory of
/// more than `kLargest` is not kept.
class NameLists {
 public:
  using Row = std::shared_ptr<const DentryRow>;
  static constexpr std::uint64_t kAll = ~std::uint64_t{0};
  static constexpr std::size_t kLargest = 16384;

  explicit NameLists(std::size_t capacity) : capacity_(capacity) {}

  /// Visits the entries behind `after` as long as `visit` answers true. Answers up to where the directory is known here: kAll, or
  /// the cookie from which on the database must be asked; at most `after` when it knows nothing of what comes there.
  template <typename Visit>
  std::uint64_t visit(InodeId directory, std::uint64_t after, Visit&& visit) {
    auto it = directories_.find(directory);
    if (it == directories_.end()) return 0;
    used_.splice(used_.begin(), used_, it->second.used);
    const Directory& d = it->second;
    for (auto place = d.find_behind(after); place != d.places.end(); ++place)
      if (place->row && !visit(place->row)) break;
    return d.through;
  }
  /// The first entries: all with a cookie up to `through`.
  void keep(InodeId directory, const std::vector<Row>& rows, std::uint64_t through);
  /// What follows on what is kept, if `after` is where that ends.
  void extend(InodeId directory, std::uint64_t after, const std::vector<Row>& rows, std::uint64_t through);
  /// The entry came, or stands for something else at its old place.
  void put(const Row& row);
  void remove(InodeId directory, std::uint64_t cookie);
  void forget(InodeId directory);
  void clear();

 private:
  struct Place {
    std::uint64_t cookie;
    Row row;   // null: gone; the place is closed up later, so that emptying a directory costs the same for each entry
  };
  struct Directory {
    std::vector<Place>::const_iterator find_behind(std::uint64_t after) const;
    std::vector<Place>::iterator find(std::uint64_t cookie);
    void append(const std::vector<Row>& rows);

    std::vector<Place> places;
    std::size_t gone = 0;
    std::uint64_t through = 0;
    std::list<InodeId>::iterator used;
  };
  using Directories = std::unordered_map<InodeId, Directory>;

  static std::size_t weight_of(const Directory& d) { return d.places.size() + kDirectoryWeight; }
  void reweigh(Directories::iterator it, std::size_t before);
  void forget(Directories::iterator it);

  static constexpr std::size_t kDirectoryWeight = 8;
  const std::size_t capacity_;
  std::size_t weight_ = 0;
  Directories directories_;
  std::list<InodeId> used_;   // last used first
};

}  // namespace skymoor::client
