#include "fuse/sync/push/batch_contents.h"

#include <thread>

#include "fuse/journal/ancestry.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {
constexpr int kHopefulAttempts = 3;    // before changes are kept out of a file while it is copied
constexpr int kMaxAttempts = 6;
constexpr std::uint64_t kLargeBytes = 8u << 20;
constexpr std::chrono::milliseconds kRest{200}, kRestLook{50};
constexpr std::chrono::seconds kLongestWait{3};
constexpr std::size_t kRowsAtOnce = 200;  // looked at without letting go of the store's lock

bool of_the_file(const Error& error) { return error.code() == Code::kIo || error.code() == Code::kCorrupt; }

}  // namespace

std::vector<BatchContents::Wanted> BatchContents::wanted(Batch& batch) const {
  std::vector<Wanted> all;
  for (const auto& [inode, state] : batch.tree().nodes())
    if (state.live() && state.content_changed() && state.now->attributes.type == FileType::kFile &&
        state.now->content.writer == writer_)
      all.push_back({inode, state.now->content});
  std::sort(all.begin(), all.end(), [](const Wanted& a, const Wanted& b) { return a.inode < b.inode; });
  return all;
}

bool BatchContents::ready(const Wanted& wanted) const {
  auto it = kept_.find(wanted.inode);
  return it != kept_.end() && it->second.content.writer == writer_ &&
         it->second.content.counter >= wanted.content.counter;
}

Result<Lsn> BatchContents::needed_cut(const std::vector<Wanted>& wanted, Lsn cut, bool& out_of_date) {
  Lsn needed = cut;
  large_.clear();
  for (std::size_t begin = 0; begin < wanted.size(); begin += kRowsAtOnce) {
    MutexLock lock(store_.mutex());
    for (std::size_t i = begin; i < std::min(wanted.size(), begin + kRowsAtOnce); ++i) {
      auto row = store_.inode(lock, wanted[i].inode);
      if (!row.ok() && row.error().code() != Code::kNotFound) return std::move(row).error();
      if (!row.ok() || row->links == 0) {
        // Deleted since: the record that says so belongs into this batch too, for the bytes are gone.
        const Lsn last = store_.last_lsn();
        if (last <= cut) out_of_date = true;
        else needed = std::max(needed, row.ok() ? std::max(row->changed, Lsn{cut.value + 1}) : last);
      } else if (row->content.writer != writer_ || row->content.counter < wanted[i].content.counter) {
        out_of_date = true;
      } else {
        needed = std::max(needed, Lsn{row->content.counter});
        if (row->attributes.size > kLargeBytes && !ready(wanted[i])) large_.push_back(wanted[i].inode);
      }
    }
  }
  return needed;
}

/// A large file that is being written would be read, cut and sealed in vain, and copied in the end: it gets a moment to come
/// to rest. True: some time went by.
Result<bool> BatchContents::let_rest(const CallOptions& options) {
  const Instant until = upload_.clock.monotonic() + kLongestWait;
  bool waited = false;
  auto moving = [&](InodeId inode) { return preparer_.written_within(inode, kRest, upload_.clock.now()); };
  while (upload_.clock.monotonic() < until && std::any_of(large_.begin(), large_.end(), moving)) {
    if (options.stop.stop_requested()) return Error(Code::kCancelled, "stopped");
    std::this_thread::sleep_for(kRestLook);
    waited = true;
  }
  return waited;
}

/// What the batch wants stays: it is not read again, and would be missing.
void BatchContents::make_room(const std::vector<Wanted>& wanted) {
  if (kept_.size() <= options_.max_kept) return;
  std::unordered_map<InodeId, PreparedContent> needed;
  for (const Wanted& want : wanted)
    if (auto it = kept_.find(want.inode); it != kept_.end()) needed.insert(kept_.extract(it));
  kept_ = std::move(needed);
}

void BatchContents::accepted() {
  preparer_.trust_old_blocks(true);
  ready_up_to_ = {};
  for (const Wanted& sent : sent_) kept_.erase(sent.inode);
}

/// As the batch has it, or newer and as the file has it: then nothing is read once more.
Result<bool> BatchContents::is_kept(const Wanted& wanted) {
  if (!ready(wanted)) return false;
  const OpId kept = kept_.at(wanted.inode).content;
  if (kept == wanted.content) return true;
  MutexLock lock(store_.mutex());
  auto row = store_.inode(lock, wanted.inode);
  if (!row.ok() && row.error().code() != Code::kNotFound) return std::move(row).error();
  return row.ok() && row->content == kept;
}

/// What others sent meanwhile may have made the content another file's.
Result<bool> BatchContents::still_wanted(const Wanted& wanted) {
  MutexLock lock(store_.mutex());
  auto row = store_.inode(lock, wanted.inode);
  if (!row.ok() && row.error().code() != Code::kNotFound) return std::move(row).error();
  return row.ok() && row->content.writer == writer_ && row->content.counter >= wanted.content.counter;
}

/// On the way.
Status BatchContents::look_up(Batch& batch, Instant began, const CallOptions& options) {
  const bool news = TRY(take_news_(options));
  if (old_ || !(news || upload_.clock.monotonic() - began > options_.longest_plan)) return {};
  old_ = true;
  batch.abandon();
  return {};
}

/// Its bytes, or blocks that the server was to have, are gone or damaged: until somebody decides what is to become of it, this
/// file's content, and the records behind it, stay here.
Error BatchContents::cannot_be_sent(InodeId inode, const Error& why) {
  stuck_ = true;
  MutexLock lock(store_.mutex());
  const std::string path = path_of(store_, lock, inode);
  return why.wrap((path.empty() ? "inode " + std::to_string(inode.value) : "'" + path + "'") +
                  " cannot be sent, and what was changed after it waits until it is written anew or deleted");
}

Result<bool> BatchContents::prepare_all(Batch& batch, const std::vector<Wanted>& wanted, ContentPreparer::Stillness stillness,
                                        const CallOptions& options) {
  make_room(wanted);
  const Instant began = upload_.clock.monotonic();
  UploadRound round(upload_, options.stop, [&] { return look_up(batch, began, options); });
  bool all = true;
  std::vector<std::pair<InodeId, PreparedContent>> prepared;
  for (const Wanted& want : wanted) {
    if (TRY(is_kept(want))) continue;
    if (old_ && !TRY(still_wanted(want))) continue;
    auto made = preparer_.prepare(want.inode, want.content, stillness, round, options);
    if (!made.ok() && of_the_file(made.error()) && !round.error()) return cannot_be_sent(want.inode, made.error());
    auto content = TRY(std::move(made));
    if (content && content->content.counter >= want.content.counter && content->content.writer == writer_)
      prepared.emplace_back(want.inode, std::move(*content));
    else all = false;
  }
  // A manifest is complete, and may be kept, once its blocks are stored.
  TRY(round.finish());
  for (auto& [inode, content] : prepared) kept_[inode] = std::move(content);
  return all;
}

Result<BatchContents::Outcome> BatchContents::settle(Batch& batch, const Batch::Limits& limits,
                                                     const CallOptions& options) {
  bool rested = false;
  old_ = stuck_ = false;
  forget_stand_ins();   // of a commit that was refused: the file may be there again
  if (auto outcome = TRY(take_ready(batch, limits))) return *outcome;
  for (int attempt = attempts_;; ++attempt) {
    std::vector<Wanted> want = wanted(batch);
    bool out_of_date = false;
    const Lsn needed = TRY(needed_cut(want, batch.cut(), out_of_date));
    if (out_of_date) return Outcome::kOutOfDate;
    if (needed > batch.cut() && !batch.full(limits)) {
      const Lsn before = batch.cut();
      TRY(batch.extend(needed, limits));
      if (batch.cut() == before) return Outcome::kOutOfDate;
      continue;  // ends: each turn takes in records until a limit is reached
    }
    if (!std::exchange(rested, true) && TRY(let_rest(options))) {
      attempt = attempts_ - 1;  // what happened meanwhile counts
      continue;
    }
    const bool all = TRY(prepare_all(
        batch, want, attempt < kHopefulAttempts ? ContentPreparer::Stillness::kHope : ContentPreparer::Stillness::kFreeze,
        options));
    if (old_) {
      attempts_ = attempt + 1;
      return became_old(batch, want, all);
    }
    // Prepared while the cut stood still, each as the batch has it: done. Newer than the cut: take in what made it so.
    const Lsn newest = newest_of(want, batch.cut());
    const bool exact = all && newest == batch.cut();
    if (!exact && attempt < kMaxAttempts && !(all && batch.full(limits))) {
      if (newest > batch.cut()) TRY(batch.extend(newest, limits));
      continue;
    }
    if (!TRY(give_up_on(want, batch))) return Outcome::kOutOfDate;
    return became_ready(want);
  }
}

BatchContents::Outcome BatchContents::became_ready(const std::vector<Wanted>& wanted) {
  sent_.clear();
  for (const Wanted& want : wanted) sent_.push_back({want.inode, kept_.at(want.inode).content});
  attempts_ = 0;
  return Outcome::kReady;
}

BatchContents::Outcome BatchContents::became_old(const Batch& batch, const std::vector<Wanted>& wanted, bool all) {
  ready_up_to_ = {};
  if (all && std::all_of(wanted.begin(), wanted.end(), [&](const Wanted& want) { return ready(want); }))
    ready_up_to_ = batch.cut();
  return Outcome::kOld;
}

/// The newest record that made one of the contents that are ready; `cut` if none is behind it.
Lsn BatchContents::newest_of(const std::vector<Wanted>& wanted, Lsn cut) const {
  Lsn newest = cut;
  for (const Wanted& want : wanted)
    if (auto it = kept_.find(want.inode); it != kept_.end()) newest = std::max(newest, Lsn{it->second.content.counter});
  return newest;
}

/// What the batch before had ready when it became old: nothing is read or sent once more, so nothing can make this one old.
/// Nothing: there was none, or it is not what this one wants.
Result<std::optional<BatchContents::Outcome>> BatchContents::take_ready(Batch& batch, const Batch::Limits& limits) {
  const std::optional<Lsn> up_to = ready_up_to();
  if (!up_to) return std::optional<Outcome>();
  if (batch.cut() < *up_to) TRY(batch.extend(*up_to, limits));
  // A limit may be met earlier on another tree. In the end a shorter commit does as well: what is ready is no older than it.
  if (batch.cut() != *up_to && attempts_ < kMaxAttempts) return std::optional<Outcome>();
  while (true) {
    const std::vector<Wanted> want = wanted(batch);
    if (!std::all_of(want.begin(), want.end(), [&](const Wanted& one) { return ready(one); })) break;
    bool out_of_date = false;
    TRY(needed_cut(want, batch.cut(), out_of_date));
    if (out_of_date) break;
    const Lsn newest = newest_of(want, batch.cut()), before = batch.cut();
    if (newest == before || attempts_ >= kMaxAttempts || batch.full(limits)) return std::optional(became_ready(want));
    TRY(batch.extend(newest, limits));
    if (batch.cut() == before) break;
  }
  ready_up_to_ = {};   // one of its files is another's by now, or was written again
  return std::optional<Outcome>();
}

/// Files that were deleted so far past the cut that the records in between do not fit into one commit: what they held is
/// gone, by their user's own doing, and a later batch says so. Until then they stand there as what the server has of them,
/// or as zeros if it has nothing, or that is not known here. False: one of the contents that are not ready is that of a file that is still there.
Result<bool> BatchContents::give_up_on(const std::vector<Wanted>& wanted, Batch& batch) {
  for (const Wanted& want : wanted) {
    if (ready(want)) continue;
    {
      MutexLock lock(store_.mutex());
      auto row = store_.inode(lock, want.inode);
      if (!row.ok() && row.error().code() != Code::kNotFound) return std::move(row).error();
      if (row.ok() && row->links > 0) return false;
    }
    const Attributes& attributes = batch.tree().nodes().at(want.inode).now->attributes;
    auto manifest = std::make_shared<Manifest>();
    if (const Bytes before = TRY(batch.confirmed_manifest(want.inode)); !before.empty()) {
      *manifest = TRY(decode_manifest(before));
    } else {
      manifest->size = attributes.size;
      if (attributes.size > 0) manifest->chunks.push_back(Chunk{.length = attributes.size});
    }
    const std::uint64_t size = manifest->size;
    kept_[want.inode] = {want.content, size, attributes.mtime, attributes.ctime, std::move(manifest), true};
    log_warn("sync.content.deleted_first", {{"inode", want.inode.value}});
  }
  return true;
}

void BatchContents::forget_stand_ins() {
  std::erase_if(kept_, [](const auto& one) { return one.second.stands_in; });
}

Status BatchContents::fill_in(std::vector<TreeEffect>& effects) {
  for (TreeEffect& effect : effects) {
    auto* put = std::get_if<PutEffect>(&effect);
    if (!put) continue;
    auto it = kept_.find(put->inode);
    if (it == kept_.end()) return Error(Code::kInternal, "a content of the batch was not prepared");
    const PreparedContent& content = it->second;
    put->manifest = encode_manifest(*content.manifest);
    // What the batch says of this very content stands: times may have been set since its bytes were read.
    if (put->content == content.content && !content.stands_in) continue;
    put->content = content.content;
    put->size = content.size;
    put->mtime = content.mtime;
    put->ctime = content.ctime;
  }
  return {};
}

}  // namespace skymoor::client
