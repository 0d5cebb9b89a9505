#include "backend-server/metadata_store/sqlite/tables.h"

namespace skymoor::server {

Result<std::optional<BlockRow>> SqliteBlockTable::find(VolumeNumber volume, const BlockId& id) const {
  auto q = TRY(connection_.query("SELECT stored_bytes,refs,first_stored FROM blocks WHERE volume=$1 AND id=$2", volume,
                                 id));
  if (!TRY(q.step())) return std::optional<BlockRow>();
  return std::optional(BlockRow{id, q.u32(0), q.u64(1), q.time(2)});
}

Result<bool> SqliteBlockTable::insert(VolumeNumber volume, const BlockRow& b) {
  TRY(connection_.run(
      "INSERT INTO blocks(volume,id,stored_bytes,refs,first_stored) VALUES($1,$2,$3,$4,$5)"
      " ON CONFLICT(volume,id) DO NOTHING",
      volume, b.id, b.stored_bytes, b.references, b.first_stored));
  return connection_.changed_rows() > 0;
}

Status SqliteBlockTable::add_reference(VolumeNumber volume, const BlockId& id) {
  TRY(connection_.run("UPDATE blocks SET refs=refs+1 WHERE volume=$1 AND id=$2", volume, id));
  if (connection_.changed_rows() == 0) return Error(Code::kBlockMissing, "the block " + id.hex() + " is not stored");
  return {};
}

}  // namespace skymoor::server
