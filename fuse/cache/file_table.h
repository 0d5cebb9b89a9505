// FileTable: what is known of each backing file, at 16 bytes a file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "shared/base/ids.h"

namespace skymoor::client {

/// One backing file as it lies on the disk.
struct FileEntry {
  InodeId inode;
  std::uint64_t allocated_bytes = 0;   ///< rounded up to pages; counted up to 4 TiB
  bool dirty = false;                  ///< lies in the state directory
  bool directory_unsynced = false;     ///< its name does not survive a power cut yet
  std::uint32_t last_use = 0;          ///< tick; compare with `older`
};

/// Open-addressed hash table of FileEntry by inode. A million files take 32 MiB. Not thread-safe. A value. Pointers
/// into it do not exist: entries are copied in and out, so growing never invalidates anything.
class FileTable {
 public:
  std::optional<FileEntry> find(InodeId inode) const;
  /// Inserts or replaces.
  void put(const FileEntry& entry);
  bool erase(InodeId inode);
  /// Sets the tick of an entry that is there.
  void use(InodeId inode, std::uint32_t tick);
  std::size_t size() const { return used_; }
  void for_each(const std::function<void(const FileEntry&)>& visit) const;

  /// Ticks wrap around: `a` was before `b` if less than half the circle lies between them.
  static bool older(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

 private:
  struct Slot {
    std::uint64_t inode = 0;    // 0: empty
    std::uint32_t pages = 0;    // bit 31: dirty, bit 30: directory unsynced
    std::uint32_t last_use = 0;
  };
  static Slot pack(const FileEntry& entry);
  static FileEntry unpack(const Slot& slot);
  std::size_t home(std::uint64_t inode) const;
  std::size_t locate(std::uint64_t inode) const;  // its slot, or the empty one where it would go
  void grow();

  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

}  // namespace skymoor::client
