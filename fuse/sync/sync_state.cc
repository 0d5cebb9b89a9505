#include "fuse/sync/sync_state.h"

#include "fuse/sync/sync_engine.h"
#include "shared/model/codec.h"

namespace skymoor::client {
namespace {

constexpr std::uint8_t kVersion = 2;
constexpr std::size_t kMaxBytes = 256u << 20;
constexpr std::string_view kCopiedName = "/copied";

Bytes encode(const SyncState& state) {
  if (state.empty()) return {};
  ByteWriter out;
  out.u8(kVersion);
  codec::put(out, state.shown_up_to);
  out.varint(state.moves.size());
  for (const NotedMove& move : state.moves) {
    codec::put(out, move.from);
    codec::put(out, move.to);
    out.u64(move.file);
  }
  out.u64(state.rebase);
  out.bytes(encode_aliases(state.aliases));
  out.bytes(encode_aliases(state.visible));
  const std::uint32_t checksum = crc32c(out.view());
  out.u32(checksum);
  return out.take();
}

}  // namespace

Result<SyncState> SyncStateFile::load() {
  SyncState state;
  if (!disk_ || !disk_->exists(path_)) return state;
  Bytes bytes = TRY(read_file(*disk_, path_, kMaxBytes));
  if (bytes.empty()) return state;
  if (bytes.size() < 5) return Error(Code::kCorrupt, path_ + " is damaged");
  ByteReader in(bytes);
  ByteView body = in.raw(bytes.size() - 4);
  if (in.u32() != crc32c(body)) return Error(Code::kCorrupt, path_ + " is damaged");
  ByteReader fields(body);
  const std::uint8_t version = fields.u8();
  if (version < 1 || version > kVersion) return Error(Code::kCorrupt, path_ + " is of an unknown version");
  codec::get(fields, state.shown_up_to);
  for (std::size_t n = fields.count(1u << 22, 16); n > 0 && !fields.failed(); --n) {
    NotedMove move;
    codec::get(fields, move.from);
    codec::get(fields, move.to);
    if (version >= 2) move.file = fields.u64();
    state.moves.push_back(move);
  }
  if (version >= 2) state.rebase = fields.u64();
  const ByteView aliases = fields.bytes(kMaxBytes), visible = fields.bytes(kMaxBytes);
  TRY(fields.finish(path_));
  state.aliases = TRY(decode_aliases(aliases));
  state.visible = TRY(decode_aliases(visible));
  written_ = std::move(bytes);
  return state;
}

Status SyncStateFile::save(const SyncState& state) {
  Bytes bytes = encode(state);
  if (!disk_ || bytes == written_) return {};
  TRY(write_file_durably(*disk_, path_, bytes));
  written_ = std::move(bytes);
  return {};
}

Status SyncStateFile::note_copied() {
  if (!disk_) return {};
  return write_file_durably(*disk_, path_.substr(0, path_.rfind('/')) + std::string(kCopiedName), {});
}

bool SyncStateFile::noted_as_copied(Disk& disk, const std::string& directory) {
  return disk.exists(directory + std::string(kCopiedName));
}

Status SyncStateFile::forget_copied(Disk& disk, const std::string& directory) {
  if (!noted_as_copied(disk, directory)) return {};
  TRY(disk.unlink(directory + std::string(kCopiedName)));
  return disk.sync_directory(directory);
}

bool SyncEngine::was_copied(Disk& disk, const std::string& state_directory) {
  return SyncStateFile::noted_as_copied(disk, state_directory);
}

Status SyncEngine::renumber(Disk& disk, const std::string& state_directory, const Renumbering& numbers) {
  SyncStateFile file(&disk, state_directory);
  SyncState state = TRY(file.load());
  state.moves.clear();   // `recover` has finished them
  state.aliases = state.aliases.renumbered(numbers);
  state.visible = state.visible.renumbered(numbers);
  // Byte for byte what these writes end in, for it is what they made.
  for (const auto& [inode, content] : numbers.ahead)
    state.aliases.equals[{inode, Lsn{numbers.after.value + 1}}] = {Lsn{content.counter}, content};
  TRY(file.save(state));
  return SyncStateFile::forget_copied(disk, state_directory);
}

}  // namespace skymoor::client
