#include "fuse/sync/upload/content_preparer.h"

#include <sys/stat.h>

#include "fuse/sync/plan/content_made.h"
#include "fuse/sync/upload/rechunker.h"
#include "shared/base/copy_bytes.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

/// Files up to this size are read while changes wait: a fraction of a millisecond.
constexpr std::uint64_t kFrozenReadBytes = 1u << 20;

}  // namespace

struct ContentPreparer::State {
  InodeId inode;
  PreparedContent prepared;
  ContentRow row;
  std::optional<Manifest> old;
  std::vector<std::uint64_t> offsets;
  bool named = true;
};

/// By a record that only says what is so here: the author's deletion, which came before it, was of what was there then.
Result<bool> ContentPreparer::made_without_a_name(OpId content) {
  if (Lsn{content.counter} <= d_.store.position().acknowledged) return false;
  const auto made = TRY(d_.store.records_after(Lsn{content.counter - 1}, 1, 1));
  return !made.empty() && made[0].lsn.value == content.counter && !content_made(made[0], content.writer);
}

Result<std::optional<ContentPreparer::State>> ContentPreparer::look(InodeId inode) {
  State state;
  state.inode = inode;
  {
    MutexLock lock(d_.store.mutex());
    auto row = d_.store.inode(lock, inode);
    if (!row.ok() && row.error().code() == Code::kNotFound) return std::optional<State>();
    if (!row.ok()) return std::move(row).error();
    if (row->attributes.type != FileType::kFile) return std::optional<State>();
    state.named = row->links > 0;
    state.prepared = {row->content, row->attributes.size, row->attributes.mtime, row->attributes.ctime,
                      std::make_shared<Manifest>()};
    state.row = TRY(d_.store.content(lock, inode));
  }
  if (!state.row.manifest.empty()) {
    state.old = TRY(decode_manifest(state.row.manifest));
    state.offsets = chunk_offsets(*state.old);
  } else if (state.row.manifest_content != OpId{} && !state.row.valid.contains({0, state.prepared.size})) {
    return Error(Code::kNotPresent, "the manifest of a changed file is not here");
  }
  return std::optional(std::move(state));
}

/// How one preparation reads its file.
struct ContentPreparer::Reading {
  std::shared_ptr<BackingFile> file;               ///< null: nothing of it was ever here
  std::unique_lock<std::shared_mutex> frozen;
  std::uint64_t generation = 0;
  Bytes whole;                                     ///< a small file, read while it was frozen
  std::unique_ptr<File> copy;                      ///< the dirty parts of one that never rests
  bool hope = false;                               ///< it may have changed while it was read
  struct stat before{};                            ///< of the file; the kernel may write it past everybody
};

/// By the times and size that the disk keeps, whoever wrote.
bool ContentPreparer::written_meanwhile(const Reading& reading) {
  struct stat now{};
  if (!reading.file || reading.file->fd() < 0 || ::fstat(reading.file->fd(), &now) != 0) return false;
  const timespec &was = reading.before.st_mtim, &is = now.st_mtim;
  return was.tv_sec != is.tv_sec || was.tv_nsec != is.tv_nsec || reading.before.st_size != now.st_size;
}

/// A copy of `extents` of a file at the same offsets (a reflink where the filesystem can). Errors: NoSpace, TooManyOpenFiles, Io.
Result<std::unique_ptr<File>> ContentPreparer::copy_aside(File& file, const std::vector<Extent>& extents) {
  auto copy = TRY(d_.backing.open_unnamed());
  for (const Extent& extent : extents) TRY(copy_bytes(file, extent.begin, *copy, extent.begin, extent.length()));   // past the end: zeros
  return copy;
}

Result<std::optional<PreparedContent>> ContentPreparer::prepare(InodeId inode, OpId wanted, Stillness stillness,
                                                                UploadRound& round, const CallOptions& options) {
  Reading reading;
  auto opened = d_.backing.open_file(inode, false);
  if (opened.ok()) reading.file = std::move(opened).value();
  else if (opened.error().code() != Code::kNotFound) return std::move(opened).error();
  if (reading.file) {
    reading.frozen = reading.file->freeze();
    reading.generation = reading.file->generation();
    if (reading.file->fd() >= 0 && ::fstat(reading.file->fd(), &reading.before) != 0) return Error::from_errno(errno, "stat backing file");
  }
  auto state = TRY(look(inode));
  if (!state) return std::optional<PreparedContent>();
  const std::uint64_t size = state->prepared.size;
  state->prepared.manifest->size = size;
  if (!reading.file && !state->row.valid.empty() && state->row.valid.intersects({0, size})) {
    // Its user let go of it before this was its conflict copy.
    if (!state->named) return std::optional<PreparedContent>();
    return Error(Code::kIo, "the backing file of inode " + std::to_string(inode.value) + " is missing");
  }

  // Local changes wait while the file is frozen, so nothing is done then that waits for anything but the disk.
  if (size <= kFrozenReadBytes && state->row.valid.contains({0, size})) {
    reading.whole.resize(static_cast<std::size_t>(size));
    if (reading.file) TRY(reading.file->file().read_at(0, reading.whole));
  } else if (stillness == Stillness::kFreeze && reading.file) {
    reading.copy = TRY(copy_aside(reading.file->file(), state->row.dirty.present({0, size})));
  } else {
    reading.hope = reading.file != nullptr;
  }
  if (stillness == Stillness::kHope && !reading.hope && written_meanwhile(reading)) return std::optional<PreparedContent>();
  if (reading.frozen) reading.frozen.unlock();
  const OpId found = state->prepared.content;
  if (!state->named && found != wanted && found.writer == wanted.writer && TRY(made_without_a_name(found)))
    return std::optional<PreparedContent>();

  if (size == 0) return std::optional(std::move(state->prepared));
  TRY(cut_all(*state, reading, round, options));
  if (reading.hope && (written_meanwhile(reading) || !TRY(unchanged(*state, *reading.file, reading.generation))))
    return std::optional<PreparedContent>();
  return std::optional(std::move(state->prepared));
}

bool ContentPreparer::written_within(InodeId inode, std::chrono::nanoseconds span, Timestamp now) {
  auto opened = d_.backing.open_file(inode, false);
  struct stat st{};
  if (!opened.ok() || (*opened)->fd() < 0 || ::fstat((*opened)->fd(), &st) != 0) return false;
  const Timestamp written{std::chrono::seconds(st.st_mtim.tv_sec) + std::chrono::nanoseconds(st.st_mtim.tv_nsec)};
  if (written > now || now - written >= span) return false;
  opened->reset();   // not one of those who may write it
  return d_.backing.has_writers(inode);
}

Status ContentPreparer::cut_all(State& state, Reading& reading, UploadRound& round, const CallOptions& options) {
  if (state.prepared.size <= kMaxInlineBytes && !reading.whole.empty()) {
    state.prepared.manifest->inline_data = std::move(reading.whole);
    return {};
  }
  ByteSource::Parts parts{.valid = state.row.valid,
                          .manifest = state.old ? &*state.old : nullptr,
                          .offsets = &state.offsets,
                          .size = state.prepared.size,
                          .read_chunk = [&](const Chunk& chunk) { return d_.blocks.read_one(chunk, options); }};
  if (!reading.whole.empty()) {
    parts.memory = reading.whole;
  } else if (reading.copy) {
    parts.file = reading.copy.get();
    parts.valid = state.row.dirty;
  } else if (reading.file) {
    parts.file = &reading.file->file();
  } else {
    parts.valid.clear();
  }
  ByteSource source(std::move(parts));
  return cut(state, source, round);
}

Result<bool> ContentPreparer::unchanged(const State& state, BackingFile& file, std::uint64_t generation) {
  if (file.generation() != generation || !file.serves(state.inode)) return false;
  MutexLock lock(d_.store.mutex());
  auto row = d_.store.inode(lock, state.inode);
  if (!row.ok() && row.error().code() == Code::kNotFound) return false;
  if (!row.ok()) return std::move(row).error();
  return row->content == state.prepared.content;
}

Status ContentPreparer::cut(State& state, ByteSource& source, UploadRound& round) {
  const std::uint64_t size = state.prepared.size;
  std::shared_ptr<Manifest> manifest = state.prepared.manifest;
  if (size <= kMaxInlineBytes) {
    manifest->inline_data.resize(static_cast<std::size_t>(size));
    return source.read(0, manifest->inline_data);
  }
  ExtentSet dirty = state.row.dirty;
  if (!trust_old_blocks_) dirty.add({0, size});
  Rechunker rechunker(d_.chunker, source, {state.old ? &*state.old : nullptr, &state.offsets, std::move(dirty)});
  auto guard = std::make_shared<std::mutex>();  // chunks grow while sealers fill in earlier ones
  // Shown until the last of its blocks is stored.
  auto transfer = d_.progress.begin(true, state.inode, state.row.dirty.total());
  std::uint64_t sent = 0;
  while (auto piece = TRY(rechunker.next())) {
    if (piece->reused && !piece->chunk.is_hole()) d_.known.add(piece->chunk.block);
    std::size_t index;
    {
      std::lock_guard held(*guard);
      index = manifest->chunks.size();
      manifest->chunks.push_back(piece->chunk);
    }
    if (piece->data.empty()) continue;
    const std::uint64_t bytes = piece->chunk.length;
    sent += bytes;
    auto sealed = [manifest, guard, index](const block::SealedBlock& block) {
      std::lock_guard held(*guard);
      Chunk& chunk = manifest->chunks[index];
      chunk.block = block.id;
      chunk.key = block.key;
      chunk.stored_bytes = static_cast<std::uint32_t>(block.bytes.size());
    };
    TRY(round.seal(std::move(piece->data), {std::move(sealed), [transfer, bytes] { transfer->moved(bytes); }}));
  }
  transfer->expect(sent);
  return {};
}

}  // namespace skymoor::client
