// RowTable: rows of one kind in memory, over SQLite.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "shared/base/ids.h"

namespace skymoor::client {

/// A name in a directory (or of an xattr of an inode); the view is what look-ups use, so that they allocate nothing.
struct NameView {
  InodeId owner;
  std::string_view name;
};
struct NameKey {
  InodeId owner;
  std::string name;
  NameKey(InodeId o, std::string n) : owner(o), name(std::move(n)) {}
  explicit NameKey(const NameView& view) : owner(view.owner), name(view.name) {}
  operator NameView() const { return {owner, name}; }  // NOLINT: a key is also a view
  friend auto operator<=>(const NameKey&, const NameKey&) = default;
};
struct NameHash {
  using is_transparent = void;
  std::size_t operator()(const NameView& key) const noexcept {
    return std::hash<std::string_view>{}(key.name) ^ std::hash<InodeId>{}(key.owner);
  }
};
struct NameEqual {
  using is_transparent = void;
  bool operator()(const NameView& a, const NameView& b) const noexcept {
    return a.owner == b.owner && a.name == b.name;
  }
};
struct IdHash {
  using is_transparent = void;
  std::size_t operator()(InodeId id) const noexcept { return std::hash<InodeId>{}(id); }
};

/// Keeps clean rows up to a capacity (least recently used go first) and every pinned row: one that the database does
/// not hold yet. "Not there" is a row too (null). Not thread-safe. Entries stay where they are while they are pinned.
template <typename Key, typename Row, typename Hash, typename Equal>
class RowTable {
 public:
  struct Entry {
    const Key* key = nullptr;
    std::shared_ptr<Row> row;   ///< null: known not to be there
    Lsn changed;                ///< last record that touched it, also when it is not there
    std::uint64_t version = 0;  ///< moves with every change while pinned
    bool pinned = false;
    std::size_t weight = 0;
    Entry* before = nullptr;
    Entry* behind = nullptr;
  };
  using Weigh = std::function<std::size_t(const Row*)>;
  using OnEvict = std::function<void(const Key&, const Entry&)>;

  explicit RowTable(std::size_t capacity, Weigh weigh = nullptr, OnEvict on_evict = nullptr)
      : capacity_(capacity), weigh_(std::move(weigh)), on_evict_(std::move(on_evict)) {
    clean_.before = clean_.behind = &clean_;
    pinned_.before = pinned_.behind = &pinned_;
  }
  RowTable(const RowTable&) = delete;
  RowTable& operator=(const RowTable&) = delete;

  /// The entry, marked as used; null: memory does not know.
  template <typename K>
  Entry* find(const K& key) {
    Entry* entry = peek(key);
    if (entry && !entry->pinned && clean_.behind != entry) {
      unlink(*entry);
      link(clean_, *entry);
    }
    return entry;
  }
  template <typename K>
  Entry* peek(const K& key) {
    auto it = map_.find(key);
    return it == map_.end() ? nullptr : &it->second;
  }

  /// What the database holds; a pinned entry knows better and stays.
  template <typename K>
  Entry& fill(const K& key, std::shared_ptr<Row> row, Lsn changed) {
    Entry& entry = slot(key);
    if (entry.pinned) return entry;
    set(entry, std::move(row), changed);
    unlink(entry);
    link(clean_, entry);
    return entry;
  }
  /// A change that the database does not hold yet.
  template <typename K>
  Entry& pin(const K& key, std::shared_ptr<Row> row, Lsn changed) {
    Entry& entry = slot(key);
    set(entry, std::move(row), changed);
    pin_again(entry);
    return entry;
  }
  /// After a change of the row in place.
  void pin_again(Entry& entry) {
    ++entry.version;
    reweigh(entry);
    if (entry.pinned) return;
    unlink(entry);
    entry.pinned = true;
    clean_weight_ -= entry.weight;
    ++pinned_count_;
    link(pinned_, entry);
  }
  /// The database holds `version` of the entry. Answers whether that is all of it: the entry is clean now.
  bool settle(Entry& entry, std::uint64_t version) {
    if (!entry.pinned || entry.version != version) return false;
    unlink(entry);
    entry.pinned = false;
    clean_weight_ += entry.weight;
    --pinned_count_;
    link(clean_, entry);
    return true;
  }
  template <typename K>
  void forget(const K& key) {
    Entry* entry = peek(key);
    if (entry && !entry->pinned) erase(*entry);
  }
  template <typename Visit>
  void each_pinned(Visit&& visit) {
    for (Entry* e = pinned_.behind; e != &pinned_; e = e->behind) visit(*e);
  }
  template <typename Visit>
  void each(Visit&& visit) {
    for (auto& [key, entry] : map_) visit(entry);
  }

  /// Lets go of clean rows over the capacity. Entries got before may be gone then.
  void trim() {
    while (clean_weight_ > capacity_ && clean_.before != &clean_) {
      Entry& oldest = *clean_.before;
      if (on_evict_) on_evict_(*oldest.key, oldest);
      erase(oldest);
    }
  }
  /// Forgets everything; nothing may be pinned that matters.
  void clear() {
    map_.clear();
    clean_.before = clean_.behind = &clean_;
    pinned_.before = pinned_.behind = &pinned_;
    clean_weight_ = pinned_count_ = 0;
  }
  std::size_t pinned_count() const { return pinned_count_; }
  std::size_t size() const { return map_.size(); }

 private:
  template <typename K>
  Entry& slot(const K& key) {
    // A key that allocates is made only where there is none.
    if constexpr (!std::is_trivially_copyable_v<Key>)
      if (Entry* entry = peek(key)) return *entry;
    auto [it, fresh] = map_.try_emplace(Key(key));
    Entry& entry = it->second;
    if (!fresh) return entry;
    entry.key = &it->first;
    entry.weight = 1;
    clean_weight_ += 1;
    link(clean_, entry);
    return entry;
  }
  void set(Entry& entry, std::shared_ptr<Row> row, Lsn changed) {
    entry.row = std::move(row);
    entry.changed = changed;
    reweigh(entry);
  }
  void reweigh(Entry& entry) {
    if (!weigh_) return;
    std::size_t weight = weigh_(entry.row.get());
    if (!entry.pinned) clean_weight_ += weight - entry.weight;
    entry.weight = weight;
  }
  void erase(Entry& entry) {
    unlink(entry);
    clean_weight_ -= entry.weight;
    map_.erase(*entry.key);
  }
  static void link(Entry& list, Entry& entry) {
    entry.before = &list;
    entry.behind = list.behind;
    list.behind->before = &entry;
    list.behind = &entry;
  }
  static void unlink(Entry& entry) {
    entry.before->behind = entry.behind;
    entry.behind->before = entry.before;
  }

  const std::size_t capacity_;
  const Weigh weigh_;
  const OnEvict on_evict_;
  std::unordered_map<Key, Entry, Hash, Equal> map_;
  Entry clean_;    // newest behind it, oldest before it
  Entry pinned_;
  std::size_t clean_weight_ = 0;
  std::size_t pinned_count_ = 0;
};

}  // namespace skymoor::client
