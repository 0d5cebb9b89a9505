#include "fuse/journal/store/name_lists.h"

#include <algorithm>

namespace skymoor::client {

std::vector<NameLists::Place>::const_iterator NameLists::Directory::find_behind(std::uint64_t after) const {
  return std::upper_bound(places.begin(), places.end(), after,
                          [](std::uint64_t cookie, const Place& place) { return cookie < place.cookie; });
}

/// Where the cookie stands, or would.
std::vector<NameLists::Place>::iterator NameLists::Directory::find(std::uint64_t cookie) {
  return std::lower_bound(places.begin(), places.end(), cookie,
                          [](const Place& place, std::uint64_t wanted) { return place.cookie < wanted; });
}

void NameLists::Directory::append(const std::vector<Row>& rows) {
  places.reserve(places.size() + rows.size());
  for (const Row& row : rows) places.push_back({row->cookie, row});
}

/// The oldest go; a directory that is too large goes itself.
void NameLists::reweigh(Directories::iterator it, std::size_t before) {
  weight_ += weight_of(it->second) - before;
  if (it->second.places.size() > kLargest) forget(it);
  while (weight_ > capacity_ && !used_.empty()) forget(directories_.find(used_.back()));
}

void NameLists::forget(Directories::iterator it) {
  weight_ -= weight_of(it->second);
  used_.erase(it->second.used);
  directories_.erase(it);
}

void NameLists::keep(InodeId directory, const std::vector<Row>& rows, std::uint64_t through) {
  forget(directory);
  if (rows.size() > kLargest) return;
  // What finds no memory leaves nothing: a directory without its entries would be taken for an empty one.
  Directory made;
  made.through = through;
  made.append(rows);
  std::list<InodeId> use{directory};
  const auto it = directories_.emplace(directory, std::move(made)).first;
  used_.splice(used_.begin(), use);
  it->second.used = used_.begin();
  reweigh(it, 0);
}

void NameLists::extend(InodeId directory, std::uint64_t after, const std::vector<Row>& rows, std::uint64_t through) {
  const auto it = directories_.find(directory);
  if (it == directories_.end() || it->second.through != after) return;
  const std::size_t before = weight_of(it->second);
  it->second.append(rows);
  it->second.through = through;
  reweigh(it, before);
}

void NameLists::put(const Row& row) {
  const auto it = directories_.find(row->directory);
  if (it == directories_.end() || row->cookie > it->second.through) return;
  Directory& d = it->second;
  const std::size_t before = weight_of(d);
  if (const auto place = d.find(row->cookie); place == d.places.end() || place->cookie != row->cookie) {
    d.places.insert(place, {row->cookie, row});
  } else {
    if (!place->row) --d.gone;
    place->row = row;
  }
  reweigh(it, before);
}

void NameLists::remove(InodeId directory, std::uint64_t cookie) {
  const auto it = directories_.find(directory);
  if (it == directories_.end()) return;
  Directory& d = it->second;
  const auto place = d.find(cookie);
  if (place == d.places.end() || place->cookie != cookie || !place->row) return;
  const std::size_t before = weight_of(d);
  place->row.reset();
  if (2 * ++d.gone > d.places.size()) {
    std::erase_if(d.places, [](const Place& one) { return !one.row; });
    d.gone = 0;
  }
  reweigh(it, before);
}

void NameLists::forget(InodeId directory) {
  if (const auto it = directories_.find(directory); it != directories_.end()) forget(it);
}

void NameLists::clear() {
  directories_.clear();
  used_.clear();
  weight_ = 0;
}

}  // namespace skymoor::client
