#include <algorithm>

#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {

constexpr std::uint64_t kFirstWindow = 1u << 20;
constexpr std::uint64_t kLastWindow = 32u << 20;

}  // namespace

Result<ReadReply> Engine::read(Request& request, HandleId id, std::uint64_t offset, std::size_t size) {
  std::shared_ptr<OpenInode> inode;
  Extent extent;
  std::optional<Extent> ahead;
  bool from_manifest = false;
  {
    MutexLock lock(store_.mutex());
    Handle* handle = TRY(handle_of(lock, id));
    if (!handle->read) return Error(Code::kBadHandle, "not open for reading");
    InodeRow row = TRY(row_of(lock, request, handle->inode->id));
    if (offset >= row.attributes.size || size == 0) return ReadReply{};
    extent = {offset, std::min<std::uint64_t>(offset + size, row.attributes.size)};
    inode = handle->inode;
    if (handle->write && !handle->no_access_time) note_access(lock, inode->id);   // an open for reading counted already
    TRY(load_view(lock, *inode, row));
    if (!inode->view.valid(extent)) TRY(reload_view(lock, *inode, row));   // perhaps it was fetched
    ahead = plan_readahead(*handle, row, extent);
    if (!inode->view.valid(extent)) {
      if (inode->view.inline_bytes().empty()) {
        std::vector<Extent> missing = inode->view.valid_set().missing(extent);
        lock.unlock();
        if (ahead) fetcher_.prefetch(inode->id, *ahead);
        return lacks(request, Need::Kind::kContent, inode->id, {missing.front().begin, missing.back().end});
      }
      from_manifest = true;
    } else if (inode->file && inode->file->serves(inode->id)) {
      ReadReply reply{inode->file, offset, extent.length(), {}};
      lock.unlock();
      if (ahead) fetcher_.prefetch(inode->id, *ahead);
      return reply;
    }
  }
  if (ahead) fetcher_.prefetch(inode->id, *ahead);
  if (from_manifest) return read_inline(inode, extent);
  auto file = backing_of(inode, false);
  MutexLock lock(store_.mutex());
  // Opening may have shown that the bytes are gone (a wiped cache): then they must be fetched like any others.
  if (!inode->view.valid(extent)) return lacks(request, Need::Kind::kContent, inode->id, extent);
  if (!file.ok() && file.error().code() == Code::kNotFound)
    return Error(Code::kIo, "the local copy of unsent changes is gone");
  return ReadReply{TRY(std::move(file)), offset, extent.length(), {}};
}

/// A small file whose manifest carries it: its bytes, under what was written over them here.
Result<ReadReply> Engine::read_inline(const std::shared_ptr<OpenInode>& inode, Extent extent) {
  ReadReply reply;
  std::vector<Extent> written;
  {
    MutexLock lock(store_.mutex());
    const Bytes& whole = inode->view.inline_bytes();
    reply.bytes.assign(extent.length(), 0);
    if (extent.begin < whole.size())
      std::copy_n(whole.begin() + static_cast<std::ptrdiff_t>(extent.begin),
                  std::min<std::uint64_t>(extent.length(), whole.size() - extent.begin), reply.bytes.begin());
    written = inode->view.valid_set().present(extent);
  }
  reply.offset = extent.begin;
  reply.length = extent.length();
  if (written.empty()) return reply;
  auto file = backing_of(inode, false);
  if (!file.ok() && file.error().code() == Code::kNotFound) {
    // A wiped cache: what was clean is not counted on any more, and the manifest has it.
    MutexLock lock(store_.mutex());
    if (inode->view.valid_set().present(extent).empty()) return reply;
    return Error(Code::kIo, "the local copy of unsent changes is gone");
  }
  if (!file.ok()) return std::move(file).error();
  for (const Extent& part : written)
    TRY((*file)->file().read_at(part.begin, std::span(reply.bytes).subspan(part.begin - extent.begin, part.length())));
  return reply;
}

/// Sequential readers of a file that is not wholly here: what to fetch before they ask, in a window that doubles.
std::optional<Extent> Engine::plan_readahead(Handle& handle, const InodeRow& row, Extent read) {
  // A read that had to be fetched is asked again.
  bool sequential = read.begin == handle.next_offset ||
                    (handle.window_bytes != 0 && read.begin == handle.last_offset);
  handle.last_offset = read.begin;
  handle.next_offset = read.end;
  if (!sequential) handle.window_bytes = handle.asked_until = 0;
  if (!sequential || handle.inode->view.wholly_valid(row.attributes.size)) return std::nullopt;
  if (handle.asked_until > read.end + handle.window_bytes / 2) return std::nullopt;
  handle.window_bytes = std::clamp(handle.window_bytes * 2, kFirstWindow, kLastWindow);
  Extent ahead{std::max(read.end, handle.asked_until), std::min(read.end + handle.window_bytes, row.attributes.size)};
  handle.asked_until = ahead.end;
  std::vector<Extent> missing = handle.inode->view.valid_set().missing(ahead);
  if (ahead.begin >= ahead.end || missing.empty()) return std::nullopt;
  return Extent{missing.front().begin, missing.back().end};
}

}  // namespace skymoor::client
