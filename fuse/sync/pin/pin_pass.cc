// What the keeper does: going through pinned trees, listing and fetching what is not here.
#include <latch>

#include "fuse/journal/ancestry.h"
#include "fuse/sync/pin/pin_keeper.h"
#include "shared/base/log.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kEntriesAtOnce = 500;
constexpr std::size_t kFilesAtOnce = 64;
constexpr std::uint64_t kPieceBytes = 32u << 20;
constexpr auto kListPatience = std::chrono::seconds(60);
constexpr auto kPiecePatience = std::chrono::minutes(10);   // 32 MiB over a slow line

std::uint64_t missing_bytes(const InodeRow& row, const ContentRow& content) {
  std::uint64_t bytes = 0;
  for (const Extent& range : content.valid.missing({0, row.attributes.size})) bytes += range.length();
  return bytes;
}

/// The inode is not there any more, or only this one file has something the matter: the others go on.
bool concerns_one_only(const Error& error) {
  switch (error.code()) {
    case Code::kNotFound:
    case Code::kStale:
    case Code::kNotDirectory:
    case Code::kBusy: return true;
    default: return false;
  }
}

}  // namespace

/// The known part of a tree, depth first.
struct PinKeeper::Walk {
  MetadataStore& store;
  std::vector<InodeId> left;

  /// A page of entries. Errors: NotFound, NotPresent (not listed).
  Result<std::vector<DentryRow>> page(InodeId directory, std::uint64_t after) {
    MutexLock lock(store.mutex());
    return store.list(lock, directory, after, kEntriesAtOnce);
  }
  Result<InodeRow> row(InodeId inode) {
    MutexLock lock(store.mutex());
    return store.inode(lock, inode);
  }
};

Status PinKeeper::pass(const std::stop_token& stop) {
  damaged_.reset();
  for (InodeId top : d_.pins.all()) TRY(fetch_below(top, stop));
  if (damaged_) return *damaged_;
  return {};
}

Status PinKeeper::look_at(const News& news, const std::stop_token& stop) {
  damaged_.reset();
  std::set<InodeId> all = news.directories;
  for (InodeId inode : news.inodes) {
    // A directory's own attributes say nothing about what is below it: its names come by themselves.
    MutexLock lock(d_.store.mutex());
    auto row = d_.store.inode(lock, inode);
    if (row.ok() && row->attributes.type == FileType::kFile) all.insert(inode);
  }
  for (const auto& [directory, name] : news.names) {
    MutexLock lock(d_.store.mutex());
    auto dentry = d_.store.dentry(lock, directory, name);
    if (dentry.ok()) all.insert(dentry->inode);
  }
  for (InodeId inode : all)
    if (is_pinned(inode)) TRY(fetch_below(inode, stop));
  if (damaged_) return *damaged_;
  return {};
}

Status PinKeeper::fetch_below(InodeId top, const std::stop_token& stop) {
  Walk walk{d_.store, {top}};
  std::vector<InodeId> files;
  auto fetch_all = [&]() -> Status {
    Status done = fetch_batch(files, stop);
    files.clear();
    return done;
  };
  while (!walk.left.empty()) {
    const InodeId at = walk.left.back();
    walk.left.pop_back();
    if (stop.stop_requested()) return Error(Code::kInterrupted, "stopping");
    auto row = walk.row(at);
    if (!row.ok()) continue;   // gone meanwhile
    if (row->attributes.type == FileType::kFile) files.push_back(at);
    if (row->attributes.type == FileType::kDirectory) {
      if (!row->listed) {
        Status listed = d_.engine.fetch_directory(at, d_.clock.monotonic() + kListPatience, stop);
        if (!listed.ok() && concerns_one_only(listed.error())) continue;
        TRY(std::move(listed));
      }
      for (std::uint64_t after = 0;;) {
        auto entries = walk.page(at, after);
        if (!entries.ok() || entries->empty()) break;
        after = entries->back().cookie;
        for (const DentryRow& entry : *entries) {
          if (entry.type == FileType::kDirectory) walk.left.push_back(entry.inode);
          if (entry.type == FileType::kFile) files.push_back(entry.inode);
          if (files.size() >= kFilesAtOnce) TRY(fetch_all());
        }
      }
    }
  }
  return fetch_all();
}

/// Several at a time: small files cost a round trip each, whatever their size.
Status PinKeeper::fetch_batch(const std::vector<InodeId>& files, const std::stop_token& stop) {
  std::vector<InodeId> absent;
  for (InodeId inode : files) {
    MutexLock lock(d_.store.mutex());
    auto row = d_.store.inode(lock, inode);
    auto content = d_.store.content(lock, inode);
    if (row.ok() && content.ok() && missing_bytes(*row, *content) > 0) absent.push_back(inode);
  }
  if (absent.empty()) return {};
  std::latch finished(static_cast<std::ptrdiff_t>(absent.size()));
  std::vector<Status> outcomes(absent.size());
  for (std::size_t i = 0; i < absent.size(); ++i) {
    Status queued = contained([&] {
      return fetchers_.submit([&, i] {
        outcomes[i] = contained([&] { return fetch_file(absent[i], stop); });
        finished.count_down();
      });
    });
    if (queued.ok()) continue;
    outcomes[i] = std::move(queued);
    finished.count_down();
  }
  finished.wait();
  for (const Status& outcome : outcomes) {
    if (outcome.ok()) continue;
    if (outcome.error().code() != Code::kIo && outcome.error().code() != Code::kCorrupt) return outcome;
    damaged_ = outcome.error();
  }
  return {};
}

Status PinKeeper::check_room(std::uint64_t bytes) {
  if (TRY(d_.backing.free_bytes()) >= bytes + options_.reserve_bytes) return {};
  return Error(Code::kNoSpace, "the disk with Skymoor's state has no room for what is pinned");
}

Status PinKeeper::fetch_file(InodeId inode, const std::stop_token& stop) {
  for (std::uint64_t at = 0;; at += kPieceBytes) {
    if (stop.stop_requested()) return Error(Code::kInterrupted, "stopping");
    std::uint64_t missing = 0;
    {
      MutexLock lock(d_.store.mutex());
      auto row = d_.store.inode(lock, inode);
      auto content = d_.store.content(lock, inode);
      if (!row.ok() || !content.ok() || at >= row->attributes.size) return {};
      const Extent piece{at, std::min(at + kPieceBytes, row->attributes.size)};
      for (const Extent& range : content->valid.missing(piece)) missing += range.length();
    }
    if (missing == 0) continue;
    TRY(check_room(missing));
    Status fetched = d_.engine.fetch_content(inode, {at, at + kPieceBytes}, d_.clock.monotonic() + kPiecePatience, stop);
    if (fetched.ok()) continue;
    if (concerns_one_only(fetched.error())) return {};
    if (fetched.error().code() == Code::kIo || fetched.error().code() == Code::kCorrupt)
      log_warn("pins.file_not_fetched", {{"inode", inode.value}, {"why", fetched.error()}});
    return fetched;
  }
}

void PinKeeper::count_into(Pin& pin) {
  Walk walk{d_.store, {pin.inode}};
  auto count = [&](InodeId inode) {
    MutexLock lock(d_.store.mutex());
    auto row = d_.store.inode(lock, inode);
    auto content = d_.store.content(lock, inode);
    if (!row.ok() || !content.ok()) return;
    const std::uint64_t missing = missing_bytes(*row, *content);
    ++pin.files;
    pin.bytes += row->attributes.size;
    pin.missing_bytes += missing;
    pin.missing_files += missing > 0;
  };
  while (!walk.left.empty()) {
    const InodeId at = walk.left.back();
    walk.left.pop_back();
    auto row = walk.row(at);
    if (!row.ok()) continue;
    if (row->attributes.type == FileType::kFile) count(at);
    if (row->attributes.type != FileType::kDirectory) continue;
    if (!row->listed) ++pin.unlisted;
    for (std::uint64_t after = 0;;) {
      auto entries = walk.page(at, after);
      if (!entries.ok() || entries->empty()) break;
      after = entries->back().cookie;
      for (const DentryRow& entry : *entries) {
        if (entry.type == FileType::kDirectory) walk.left.push_back(entry.inode);
        if (entry.type == FileType::kFile) count(entry.inode);
      }
    }
  }
}

}  // namespace skymoor::client
