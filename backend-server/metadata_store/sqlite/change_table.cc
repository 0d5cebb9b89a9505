#include "backend-server/metadata_store/sqlite/tables.h"

namespace skymoor::server {

Result<std::optional<OperationRow>> SqliteChangeTable::find_operation(VolumeNumber volume, OpId op) const {
  auto q = TRY(connection_.query(
      "SELECT payload_hash,sequence,hash FROM operations WHERE volume=$1 AND writer=$2 AND counter=$3", volume,
      op.writer, op.counter));
  if (!TRY(q.step())) return std::optional<OperationRow>();
  return std::optional(OperationRow{q.id<Hash256>(0), q.number<Sequence>(1), q.id<Hash256>(2)});
}

Result<Hash256> SqliteChangeTable::hash_at(VolumeNumber volume, Sequence sequence) const {
  if (!sequence) return Hash256{};
  auto q = TRY(connection_.query("SELECT hash FROM changes WHERE volume=$1 AND sequence=$2", volume, sequence));
  if (!TRY(q.step())) return Error(Code::kNotFound, "no such sequence");
  return q.id<Hash256>(0);
}

Status SqliteChangeTable::visit(VolumeNumber volume, Sequence after,
                                const std::function<Result<bool>(FeedEntry)>& visit) const {
  auto q = TRY(connection_.query(
      "SELECT sequence,hash,signature,payload FROM changes WHERE volume=$1 AND sequence>$2 ORDER BY sequence", volume,
      after));
  while (TRY(q.step())) {
    FeedEntry entry{q.number<Sequence>(0), q.id<Hash256>(1), {q.blob(3), {}}};
    Bytes signature = q.blob(2);
    if (signature.size() != entry.commit.signature.size())
      return Error(Code::kCorrupt, "a stored signature has the wrong length");
    std::copy(signature.begin(), signature.end(), entry.commit.signature.begin());
    if (!TRY(visit(std::move(entry)))) break;
  }
  return {};
}

Status SqliteChangeTable::append(VolumeNumber volume, const ChangeRow& c) {
  TRY(connection_.run(
      "INSERT INTO operations(volume,writer,counter,sequence,hash,payload_hash) VALUES($1,$2,$3,$4,$5,$6)", volume,
      c.op.writer, c.op.counter, c.entry.sequence, c.entry.hash, c.payload_hash));
  return connection_.run(
      "INSERT INTO changes(volume,sequence,hash,device_id,applied,signature,payload) VALUES($1,$2,$3,$4,$5,$6,$7)",
      volume, c.entry.sequence, c.entry.hash, c.device, c.applied, ByteView(c.entry.commit.signature),
      c.entry.commit.payload);
}

}  // namespace skymoor::server
