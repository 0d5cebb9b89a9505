// BlockIndex: where each live block is. Private to this room.
#pragma once
#include <map>
#include <optional>

#include "backend-server/block_store/block_store.h"

namespace skymoor::server {

/// The place of one record.
struct Place {
  std::uint32_t segment = 0;
  std::uint32_t offset = 0;  ///< of the record's header
  std::uint32_t bytes = 0;   ///< payload
  bool damaged = false;
  friend bool operator==(const Place& a, const Place& b) {
    return a.segment == b.segment && a.offset == b.offset;  // one record
  }
};

/// A map from BlockName to Place of about 60 bytes a block, in order of BlockName. The blocks stand in 65,536 sorted
/// runs by the first two bytes of the id; ids are hashes, so that runs stay short, an insertion moves few bytes, and
/// the whole never pauses to rehash. Not thread-safe: the Catalogue's lock guards it.
class BlockIndex {
 public:
  BlockIndex();
  std::optional<Place> find(const BlockName& name) const;
  /// Both return the place that was replaced or erased.
  std::optional<Place> put(const BlockName& name, const Place& place);
  std::optional<Place> erase(const BlockName& name);
  /// True if the block is still at `place` and was not marked before.
  bool mark_damaged(const BlockName& name, const Place& place);

  /// A caller that walks all runs, in order, may let the lock go in between.
  static constexpr std::size_t kRuns = 65536;
  static std::size_t first_run(const ListRequest& request) { return request.after ? run_of(request.after->block) : 0; }
  /// Appends what one run has for a page; sets `more` when that is more than fits.
  void list_run(std::size_t run, const ListRequest& request, BlockPage& page) const;
  struct Named {
    BlockName name;
    Place place;
  };
  /// Appends the blocks of one run that are in `segment`.
  void in_segment(std::size_t run, std::uint32_t segment, std::vector<Named>& out) const;

  std::uint64_t blocks() const { return blocks_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Slot {
    BlockId block;
    std::uint32_t volume;  ///< index into volumes_
    std::uint32_t segment;
    std::uint32_t offset;
    std::uint32_t bytes : 31;
    std::uint32_t damaged : 1;
  };
  using Run = std::vector<Slot>;

  static std::size_t run_of(const BlockId& id) { return std::size_t{id.value[0]} << 8 | id.value[1]; }
  Place place_of(const Slot& slot) const { return {slot.segment, slot.offset, slot.bytes, slot.damaged != 0}; }
  BlockName name_of(const Slot& slot) const { return {volumes_[slot.volume], slot.block}; }
  /// First slot not before `name`.
  std::size_t position(const Run& run, const BlockName& name) const;
  bool is_at(const Run& run, std::size_t at, const BlockName& name) const;
  std::uint32_t volume_number(const VolumeId& volume);

  std::vector<Run> runs_;
  std::vector<VolumeId> volumes_;
  std::map<VolumeId, std::uint32_t> volume_numbers_;
  std::uint64_t blocks_ = 0, bytes_ = 0;
};

}  // namespace skymoor::server
