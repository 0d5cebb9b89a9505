#include "fuse/sync/download/content_fetcher.h"

#include "fuse/sync/upload/byte_source.h"
#include "fuse/sync/waiting.h"
#include "shared/base/log.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {
namespace {

/// Sealed bytes asked for at once: few enough that what arrives is opened while the processor's cache has it.
constexpr std::uint64_t kRequestBytes = 2u << 20;
constexpr std::size_t kRequestChunks = 64;
constexpr std::size_t kKeptLayouts = 16;
constexpr std::uint64_t kPlacedAtOnce = 64u << 20;  // while local changes of the file wait
constexpr int kMaxRounds = 50;                      // of a file whose content changes while it is fetched

std::chrono::milliseconds left(Clock& clock, Instant deadline) {
  const auto span = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.monotonic());
  return std::clamp(span, std::chrono::milliseconds(1), std::chrono::milliseconds(60000));
}

}  // namespace

/// What of a file is still missing, by the manifest it then had.
struct ContentFetcher::Wanted {
  InodeId inode;
  std::shared_ptr<const Layout> layout = {};
  std::vector<Extent> missing = {};
  bool needs_manifest = false;
  bool shown = false;     ///< `missing` is all of the file
};

void ContentFetcher::stop() {
  stopping_.request_stop();
  MutexLock lock(mutex_);
  landed_.notify_all();
}

Result<std::shared_ptr<const ContentFetcher::Layout>> ContentFetcher::layout(InodeId inode, OpId content,
                                                                             const Bytes& manifest) {
  {
    MutexLock lock(layouts_mutex_);
    for (const auto& [id, kept] : layouts_)
      if (id == inode && kept->content == content) return kept;
  }
  auto made = std::make_shared<Layout>();
  made->content = content;
  if (!manifest.empty()) made->manifest = TRY(decode_manifest(manifest));
  made->offsets = chunk_offsets(made->manifest);
  MutexLock lock(layouts_mutex_);
  layouts_.emplace_front(inode, made);
  if (layouts_.size() > kKeptLayouts) layouts_.pop_back();
  return std::shared_ptr<const Layout>(std::move(made));
}

/// Nothing when all of the range is valid.
Result<std::optional<ContentFetcher::Wanted>> ContentFetcher::look(InodeId inode, Extent extent) {
  Wanted wanted{.inode = inode};
  ContentRow content;
  {
    MutexLock lock(d_.store.mutex());
    const InodeRow row = TRY(d_.store.inode(lock, inode));
    content = TRY(d_.store.content(lock, inode));
    wanted.shown = d_.store.is_shown(lock, inode);
    if (wanted.shown) extent = {0, row.attributes.size};
    extent.end = std::min(extent.end, row.attributes.size);
    if (extent.begin >= extent.end) return std::optional<Wanted>();
    wanted.missing = content.valid.missing(extent);
    if (wanted.missing.empty()) return std::optional<Wanted>();
    // Its content is the server's, and nothing here says yet what that is.
    const bool unknown = content.manifest_content == OpId{} && content.dirty.empty() && row.content != OpId{};
    wanted.needs_manifest = content.manifest.empty() && (unknown || content.manifest_content != OpId{});
  }
  if (!wanted.needs_manifest) wanted.layout = TRY(layout(inode, content.manifest_content, content.manifest));
  return std::optional(std::move(wanted));
}

Status ContentFetcher::fetch(InodeId inode, Extent extent, Instant deadline, std::stop_token stop) {
  tidy();
  for (int round = 0; round < kMaxRounds; ++round) {
    if (stop.stop_requested() || stopping_.stop_requested()) return Error(Code::kInterrupted, "interrupted");
    if (d_.clock.monotonic() >= deadline) return Error(Code::kTimedOut, "the server did not answer in time");
    auto wanted = TRY(look(inode, extent));
    if (!wanted) return {};
    if (wanted->needs_manifest) {
      TRY(d_.directories.fetch_inode(inode, {left(d_.clock, deadline), stop}));
      continue;
    }
    if (wanted->shown) wanted->missing = incoming_.lacking(inode, wanted->layout->content, wanted->missing);
    TRY(wanted->missing.empty() ? place(inode, wanted->layout->content) : fetch_chunks(*wanted, deadline, stop));
  }
  return Error(Code::kBusy, "the file changes faster than it can be fetched");
}

Status ContentFetcher::fetch_chunks(const Wanted& wanted, Instant deadline, const std::stop_token& stop) {
  const Layout& layout = *wanted.layout;
  if (layout.manifest.chunks.empty()) {  // small and carried whole, or never written
    const std::uint64_t end = layout.manifest.inline_data.size();
    for (const Extent& range : wanted.missing) {
      const Extent carried{std::min(range.begin, end), std::min(range.end, end)};
      const ByteView data = ByteView(layout.manifest.inline_data).subspan(carried.begin, carried.length());
      if (carried.begin < carried.end) TRY(write(wanted.inode, layout, carried, {&data, 1}));
      if (range.end > end) TRY(write(wanted.inode, layout, {std::max(range.begin, end), range.end}, {}));
    }
    return {};
  }
  std::vector<std::size_t> chunks;
  for (const Extent& range : wanted.missing) {
    auto it = std::upper_bound(layout.offsets.begin(), layout.offsets.end(), range.begin);
    for (auto i = static_cast<std::size_t>(it - layout.offsets.begin()) - 1;
         i < layout.manifest.chunks.size() && layout.offsets[i] < range.end; ++i) {
      const Extent chunk{std::max(range.begin, layout.offsets[i]), std::min(range.end, layout.offsets[i + 1])};
      if (layout.manifest.chunks[i].is_hole()) TRY(write(wanted.inode, layout, chunk, {}));
      else if (chunks.empty() || chunks.back() != i) chunks.push_back(i);
    }
    const std::uint64_t end = layout.offsets.back();
    if (range.end > end) TRY(write(wanted.inode, layout, {std::max(range.begin, end), range.end}, {}));
  }
  // A few requests at a time: what is fetched first is what was asked for first, and memory stays bounded.
  for (std::size_t next = 0; next < chunks.size();) {
    std::vector<std::vector<std::size_t>> requests;
    std::vector<std::shared_ptr<Flight>> flights;
    std::vector<std::size_t> fresh;
    fresh.reserve(chunks.size() - next);
    Status launched = contained([&]() -> Status {
      next = gather(wanted, chunks, next, requests, flights, fresh);
      return {};
    });
    if (!launched.ok()) land(wanted, fresh, launched);   // nobody will ask for them
    TRY(launched);
    for (const auto& request : requests)
      if (Status one = launch(wanted, request); !one.ok()) launched = std::move(one);
    TRY(std::move(launched));
    TRY(wait(flights, deadline, stop));
  }
  return {};
}

/// Chunks from `next` on that may be asked for now: `flights` of all, `requests` for those that are not on their way yet
/// (`fresh`, which has room for them). The first one that has to wait.
std::size_t ContentFetcher::gather(const Wanted& wanted, const std::vector<std::size_t>& chunks, std::size_t next,
                                   std::vector<std::vector<std::size_t>>& requests,
                                   std::vector<std::shared_ptr<Flight>>& flights, std::vector<std::size_t>& fresh) {
  MutexLock lock(mutex_);
  std::uint64_t bytes = 0;
  for (; next < chunks.size() && requests.size() <= d_.parallel * 2; ++next) {
    const FlightKey key{wanted.inode, wanted.layout->content, chunks[next]};
    auto it = flights_.find(key);
    if (it == flights_.end()) {
      const std::uint64_t size = wanted.layout->manifest.chunks[chunks[next]].stored_bytes;
      if (requests.empty() || bytes + size > kRequestBytes || requests.back().size() >= kRequestChunks) {
        if (requests.size() == d_.parallel * 2) break;
        requests.emplace_back();
        bytes = 0;
      }
      it = flights_.emplace(key, std::make_shared<Flight>()).first;
      fresh.push_back(chunks[next]);
      bytes += size;
      requests.back().push_back(chunks[next]);
    }
    flights.push_back(it->second);
    ++it->second->waiters;
  }
  return next;
}

/// These requests have ended, or will not be made: whoever waits for them hears of it.
void ContentFetcher::land(const Wanted& wanted, const std::vector<std::size_t>& chunks, const Status& outcome) {
  MustFinish finishing;
  MutexLock lock(mutex_);
  for (std::size_t chunk : chunks) {
    auto it = flights_.find(FlightKey{wanted.inode, wanted.layout->content, chunk});
    if (it == flights_.end()) continue;
    it->second->land(outcome);
    flights_.erase(it);
  }
  landed_.notify_all();
}

Status ContentFetcher::launch(const Wanted& wanted, const std::vector<std::size_t>& chunks) {
  // The request outlives an interrupted or impatient caller: others may wait for it, and the bytes are wanted anyway. On a slow
  // line it takes what it takes: one that ended with the caller's patience would begin anew each time.
  Status queued = contained([&] {
    return d_.pool.submit([this, wanted, chunks] {
      if (drop_unawaited(wanted, chunks)) return;
      Status done = stopping_.stop_requested() ? Status(Error(Code::kInterrupted, "stopping")) : contained([&] {
        return run(wanted.inode, *wanted.layout, chunks, {.stop = stopping_.get_token(), .patience = Patience::kWhileItMoves});
      });
      land(wanted, chunks, done);
    });
  });
  if (!queued.ok()) land(wanted, chunks, queued);
  return queued;
}

/// Before a request is made: true if nobody waits for it any more. On a slow line what nobody wants would hold up what somebody does.
bool ContentFetcher::drop_unawaited(const Wanted& wanted, const std::vector<std::size_t>& chunks) {
  MutexLock lock(mutex_);
  const OpId content = wanted.layout->content;
  for (std::size_t chunk : chunks)
    if (auto it = flights_.find(FlightKey{wanted.inode, content, chunk}); it != flights_.end() && it->second->waiters > 0) return false;
  for (std::size_t chunk : chunks) flights_.erase(FlightKey{wanted.inode, content, chunk});
  return true;
}

Status ContentFetcher::run(InodeId inode, const Layout& layout, const std::vector<std::size_t>& asked,
                           const CallOptions& options) {
  const std::vector<std::size_t> chunks = TRY(still_missing(inode, layout, asked));
  if (chunks.empty()) return {};
  std::vector<Chunk> wanted;
  std::uint64_t bytes = 0;
  for (std::size_t i : chunks) {
    wanted.push_back(layout.manifest.chunks[i]);
    bytes += wanted.back().length;
  }
  const auto transfer = d_.progress.begin(false, inode, bytes);
  return d_.blocks.read(wanted, options, [&](std::size_t i, BlockReader::Pieces plain) -> Status {
    TRY(write(inode, layout, {layout.offsets[chunks[i]], layout.offsets[chunks[i] + 1]}, plain));
    transfer->moved(wanted[i].length);
    return {};
  });
}

Status ContentFetcher::wait(const std::vector<std::shared_ptr<Flight>>& flights, Instant deadline,
                            const std::stop_token& stop) {
  NotifyOnStop wake(stop, mutex_, landed_);
  MutexLock lock(mutex_);
  const Status outcome = [&]() -> Status {
    for (const auto& flight : flights) {
      while (!flight->done) {
        if (stop.stop_requested() || stopping_.stop_requested()) return Error(Code::kInterrupted, "interrupted");
        if (d_.clock.monotonic() >= deadline) return Error(Code::kTimedOut, "the server did not answer in time");
        wait_a_while(landed_, lock, d_.clock, deadline, stop);
      }
      if (!flight->outcome.ok()) return flight->outcome;
    }
    return {};
  }();
  for (const auto& flight : flights) --flight->waiters;
  return outcome;
}

/// What of a range a version still lacks in the backing file.
struct ContentFetcher::Gap {
  OpId content;
  std::vector<Extent> missing;   ///< of the range; never empty
  std::vector<Extent> all;       ///< of the whole file, where it is gathered beside; else empty
  std::uint64_t size = 0;        ///< of the file, bytes
  bool clean = false;            ///< nothing of it was written here
  bool shown = false;            ///< a program sees the backing file as it is
};

/// Nothing: there is none, or nobody waits for this version any more.
Result<std::optional<ContentFetcher::Gap>> ContentFetcher::gap_of(InodeId inode, OpId content, Extent range) {
  Gap gap{.content = content};
  MutexLock lock(d_.store.mutex());
  auto row = d_.store.inode(lock, inode);
  if (!row.ok()) return std::optional<Gap>();
  const ContentRow now = TRY(d_.store.content(lock, inode));
  if (now.manifest_content != content) return std::optional<Gap>();   // the caller looks again
  gap.size = row->attributes.size;
  gap.clean = now.dirty.empty();
  gap.shown = d_.store.is_shown(lock, inode);
  range.end = std::min(range.end, gap.size);
  if (range.begin < range.end) gap.missing = now.valid.missing(range);
  if (gap.missing.empty()) return std::optional<Gap>();
  // Of a file that is read here and there that is a long list, looked at for each chunk with the names locked.
  if (gap.shown || incoming_.has(inode, content)) gap.all = now.valid.missing({0, gap.size});
  return std::optional(std::move(gap));
}

/// Whoever asked had looked before it asked, and a request that ended in between may have brought some of it.
Result<std::vector<std::size_t>> ContentFetcher::still_missing(InodeId inode, const Layout& layout,
                                                               const std::vector<std::size_t>& asked) {
  const auto gap = TRY(gap_of(inode, layout.content, {layout.offsets[asked.front()], layout.offsets[asked.back() + 1]}));
  std::vector<std::size_t> missing;
  if (!gap) return missing;
  ExtentSet lacking;
  for (const Extent& part : incoming_.lacking(inode, layout.content, gap->missing)) lacking.add(part);
  for (std::size_t chunk : asked)
    if (lacking.intersects({layout.offsets[chunk], layout.offsets[chunk + 1]})) missing.push_back(chunk);
  return missing;
}

Status ContentFetcher::note_filled(InodeId inode, const Gap& gap, const std::vector<Extent>& filled) {
  bool clean = false;
  {
    MutexLock lock(d_.store.mutex());
    const auto content = d_.store.content(lock, inode);
    if (!content.ok() || content->manifest_content != gap.content) return {};
    clean = content->dirty.empty();
    for (const Extent& part : filled) TRY(d_.store.note_content(lock, inode, part, true));
  }
  // The server has all that is in it: it may be evicted.
  if (!clean) {
    d_.backing.note_fetched(inode);
  } else if (Status cleaned = d_.backing.make_clean(inode); !cleaned.ok()) {   // the bytes are here all the same
    log_warn("sync.make_clean.failed", {{"inode", inode.value}, {"error", cleaned.error()}});
  }
  return {};
}

/// Calls `fill`, which answers what parts of the file are now what they are to be, while nobody here changes the file.
Status ContentFetcher::fill_frozen(InodeId inode, OpId content, Extent range, const Fill& fill) {
  for (int attempt = 0; attempt < 16; ++attempt) {
    auto file = TRY(d_.backing.open_file(inode, true));
    auto frozen = file->freeze();
    if (!file->serves(inode)) continue;  // a conflict copy took it: this inode's own is made anew
    const auto gap = TRY(gap_of(inode, content, range));
    if (!gap) return {};
    // Nothing is missing of a file that is opened for writing that way. It would be written to under the kernel's hands.
    if (d_.backing.unseen(inode)) return Error(Code::kBusy, "a program has the file open for writing");
    const auto filled = TRY(fill(*gap, *file));
    return filled.empty() ? Status() : note_filled(inode, *gap, filled);
  }
  return Error(Code::kBusy, "the file keeps changing hands");
}

/// A file shows what it has, and zeros up to its size: one that was longer once must not show more (of a clean one nothing is
/// beyond), and where it ends too early what is there would count as lost.
Status ContentFetcher::fit_size(const Gap& gap, BackingFile& file) {
  const std::uint64_t size = TRY(file.file().size());
  return size < gap.size || (gap.clean && size > gap.size) ? file.file().truncate(gap.size) : Status();
}

bool ContentFetcher::goes_beside(InodeId inode, const Gap& gap) {
  if (incoming_.has(inode, gap.content)) return true;
  std::uint64_t bytes = 0;
  for (const Extent& part : gap.all) bytes += part.length();
  return gap.shown && incoming_.has_room(bytes);
}

Status ContentFetcher::write(InodeId inode, const Layout& layout, Extent range, BlockReader::Pieces data) {
  bool whole = false;
  Status filled = fill_frozen(inode, layout.content, range, [&](const Gap& gap, BackingFile& file) -> Result<std::vector<Extent>> {
    if (goes_beside(inode, gap)) {
      TRY(incoming_.gather(inode, gap.content, gap.missing, range.begin, data));
      whole = !gap.shown || incoming_.lacking(inode, gap.content, gap.all).empty();
      return std::vector<Extent>();
    }
    TRY(fit_size(gap, file));
    for (const Extent& part : gap.missing)
      TRY(data.empty() ? file.zero(part) : write_pieces(file.file(), part, range.begin, data));
    return gap.missing;
  });
  return filled.ok() && whole ? place(inode, layout.content) : filled;
}

/// Over the old version, for all has come, or nobody sees that any more: piece by piece, between which others come to the file.
Status ContentFetcher::place(InodeId inode, OpId content) {
  for (bool more = true; more;) {
    more = false;
    Status placed = fill_frozen(inode, content, {0, kMaxFileBytes}, [&](const Gap& gap, BackingFile& file) -> Result<std::vector<Extent>> {
      std::vector<Extent> piece;
      std::uint64_t bytes = 0;
      const std::vector<Extent> here = incoming_.present(inode, gap.content, gap.all);
      for (const Extent& part : here) {
        if (bytes >= kPlacedAtOnce) break;
        piece.push_back({part.begin, std::min(part.end, part.begin + (kPlacedAtOnce - bytes))});
        bytes += piece.back().length();
      }
      auto filled = TRY(incoming_.put_in_place(inode, gap.content, piece, file));
      TRY(fit_size(gap, file));
      more = piece != here;
      if (!more) incoming_.end(inode);
      return filled;
    });
    if (!placed.ok()) return placed;
  }
  return {};
}

}  // namespace skymoor::client
