#include "fuse/app/care/content_check.h"

#include <unordered_set>

#include "fuse/journal/ancestry.h"
#include "shared/block/seal.h"
#include "shared/model/manifest.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxFindings = 1000, kEntriesAtOnce = 1000;

class ContentCheck {
 public:
  ContentCheck(OfflineStore& opened, const ContentCheckOptions& options)
      : store_(*opened.store), backing_(*opened.backing), options_(options) {
    if (options_.deep) block_key_ = to_bytes(options_.deep->block_key().view());
  }
  Status look_at(InodeId inode);
  std::vector<ContentFinding> findings;

 private:
  Status load(InodeId inode, bool& there);
  bool is_hole(Extent range) const;
  Status check_length(File& file);
  Status check_bytes(File& file);
  Status check_chunk(File& file, const Chunk& chunk, std::uint64_t offset);
  Status damaged(Extent range, const std::string& what);
  void find(const std::string& what, bool repairable);

  MetadataStore& store_;
  BackingStore& backing_;
  const ContentCheckOptions options_;
  Bytes block_key_;
  // Of the file that is looked at.
  InodeRow row_;
  ContentRow content_;
  std::string name_;
};

void ContentCheck::find(const std::string& what, bool repairable) {
  if (findings.size() < kMaxFindings)
    findings.push_back({name_ + ": " + what, repairable, repairable && options_.repair});
}

/// A range whose bytes are not what they should be. Unsent ones can only be told of.
Status ContentCheck::damaged(Extent range, const std::string& what) {
  const std::string where = "bytes " + std::to_string(range.begin) + " to " + std::to_string(range.end) + " ";
  if (content_.dirty.intersects(range)) {
    find(where + what + ", and were not sent yet", false);
    return {};
  }
  // Without a manifest nobody knows where to get them again.
  const bool at_server = content_.manifest_content == row_.content && row_.content != OpId{};
  find(where + what, at_server);
  if (!at_server || !options_.repair) return {};
  MutexLock lock(store_.mutex());
  return store_.note_content(lock, row_.id, range, false);
}

Status ContentCheck::load(InodeId inode, bool& there) {
  MutexLock lock(store_.mutex());
  auto row = store_.inode(lock, inode);
  there = row.ok();
  if (!there) return {};   // the store's own check says so
  row_ = *std::move(row);
  content_ = TRY(store_.content(lock, inode));
  const std::string path = path_of(store_, lock, inode);
  name_ = path.empty() ? "inode " + std::to_string(inode.value) : path;
  return {};
}

Status ContentCheck::look_at(InodeId inode) {
  bool there = false;
  TRY(load(inode, there));
  if (!there || (content_.valid.empty() && content_.dirty.empty())) return {};
  auto file = backing_.open_file(inode, false);
  if (!file.ok() && file.error().code() == Code::kNotFound) {
    // A wiped cache takes clean files away; they are fetched again. Unsent bytes were never in it.
    if (!content_.dirty.empty()) find("its unsent bytes are gone: the backing file is missing", false);
    return {};
  }
  if (!file.ok()) {
    find("its backing file cannot be opened: " + file.error().message(), false);
    return {};
  }
  TRY(check_length((*file)->file()));
  if (!options_.deep || backing_.unseen(inode) || content_.manifest.empty()) return {};
  return check_bytes((*file)->file());
}

/// Whether the server's content is nothing but zeros there: a backing file may end before them.
bool ContentCheck::is_hole(Extent range) const {
  const auto manifest = decode_manifest(content_.manifest);
  if (content_.manifest.empty() || !manifest.ok()) return false;
  if (manifest->chunks.empty()) return range.begin >= manifest->inline_data.size();
  std::uint64_t offset = 0;
  for (const Chunk& chunk : manifest->chunks) {
    if (!chunk.is_hole() && offset < range.end && range.begin < offset + chunk.length) return false;
    offset += chunk.length;
  }
  return true;
}

/// What counts as present must lie in the file: past its end it would read as zeros that nobody wrote.
Status ContentCheck::check_length(File& file) {
  const std::uint64_t size = TRY(file.size());
  if (size >= row_.attributes.size) return {};
  for (const Extent& beyond : content_.valid.present({size, row_.attributes.size}))
    if (content_.dirty.intersects(beyond) || !is_hole(beyond))
      TRY(damaged(beyond, "are missing at the end of the backing file"));
  return {};
}

Status ContentCheck::check_bytes(File& file) {
  const auto manifest = decode_manifest(content_.manifest);
  if (!manifest.ok()) return {};   // found by the store's own check
  if (manifest->chunks.empty()) {
    const Extent whole{0, std::min<std::uint64_t>(manifest->inline_data.size(), row_.attributes.size)};
    if (whole.begin == whole.end || !content_.valid.contains(whole) || !content_.dirty.empty()) return {};
    Bytes bytes(whole.length());
    auto got = file.read_at(0, bytes);
    const ByteView carried = ByteView(manifest->inline_data).first(bytes.size());
    if (!got.ok()) return damaged(whole, "cannot be read: " + got.error().message());
    return std::equal(bytes.begin(), bytes.end(), carried.begin()) ? Status() : damaged(whole, "are not what the server has");
  }
  std::uint64_t offset = 0;
  for (const Chunk& chunk : manifest->chunks) {
    const Extent range{offset, offset + chunk.length};
    if (!chunk.is_hole() && !content_.dirty.intersects(range) && range.end <= row_.attributes.size && content_.valid.contains(range))
      TRY(check_chunk(file, chunk, offset));
    offset = range.end;
  }
  return {};
}

Status ContentCheck::check_chunk(File& file, const Chunk& chunk, std::uint64_t offset) {
  const Extent range{offset, offset + chunk.length};
  Bytes bytes(chunk.length);
  auto got = file.read_at(offset, bytes);
  if (!got.ok()) return damaged(range, "cannot be read: " + got.error().message());
  const auto sealed = TRY(block::seal_block(block_key_, bytes));
  return sealed.id == chunk.block ? Status() : damaged(range, "do not give the block that the server has");
}

}  // namespace

Result<std::vector<ContentFinding>> check_contents(OfflineStore& opened, const ContentCheckOptions& options) {
  ContentCheck check(opened, options);
  std::unordered_set<InodeId> seen;   // files with several names once
  std::vector<InodeId> left{kRootInode};
  while (!left.empty()) {
    const InodeId directory = left.back();
    left.pop_back();
    for (std::uint64_t after = 0;;) {
      std::vector<DentryRow> entries;
      {
        MutexLock lock(opened.store->mutex());
        auto page = opened.store->list(lock, directory, after, kEntriesAtOnce);
        if (page.ok()) entries = *std::move(page);   // of a directory that is not listed here nothing is here
      }
      if (entries.empty()) break;
      after = entries.back().cookie;
      for (const DentryRow& entry : entries) {
        if (entry.type == FileType::kDirectory) left.push_back(entry.inode);
        if (entry.type == FileType::kFile && seen.insert(entry.inode).second) TRY(check.look_at(entry.inode));
      }
    }
  }
  if (options.repair) TRY(opened.store->checkpoint());
  return std::move(check.findings);
}

}  // namespace skymoor::client
