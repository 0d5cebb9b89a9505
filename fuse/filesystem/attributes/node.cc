// Node: an inode as stat shows it.
#include <sys/stat.h>

#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kDirectoryBytes = 4096;            // what stat shows as a directory's size
constexpr std::uint64_t kMayHaveHoles = 256 * 1024;        // manifests carry holes from the smallest chunk on
constexpr std::size_t kMaxAllocatedNotes = 65536;

std::uint64_t whole_pages(std::uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

std::uint64_t bytes_without_holes(const Manifest& manifest) {
  std::uint64_t sum = 0;
  for (const Chunk& chunk : manifest.chunks)
    if (!chunk.is_hole()) sum += chunk.length;
  return whole_pages(sum);
}

}  // namespace

Node Engine::node_of(const MutexLock& lock, const InodeRow& row) {
  Node node{row.id, row.attributes, row.links, allocated_of(lock, row)};
  if (row.attributes.type == FileType::kDirectory) node.attributes.size = kDirectoryBytes;
  if (options_.owners_mine) {
    node.attributes.uid = options_.mine_uid;
    node.attributes.gid = options_.mine_gid;
  }
  return node;
}

/// What the file takes or would take on a disk. Files in use are measured, those closed since the start remembered
/// where their size does not tell; of others the manifest knows the holes.
std::uint64_t Engine::allocated_of(const MutexLock& lock, const InodeRow& row) {
  if (row.attributes.type == FileType::kDirectory) return kDirectoryBytes;
  if (row.attributes.type != FileType::kFile) return 0;
  auto open = open_.find(row.id);
  if (open != open_.end() && open->second->file && open->second->view.wholly_valid(row.attributes.size)) {
    struct stat st;
    if (::fstat(open->second->file->fd(), &st) == 0) return static_cast<std::uint64_t>(st.st_blocks) * 512;
  }
  auto note = allocated_.find(row.id);
  if (note != allocated_.end() && note->second.content == row.content && note->second.size == row.attributes.size)
    return note->second.bytes;
  std::uint64_t bytes = whole_pages(row.attributes.size);
  if (row.attributes.size < kMayHaveHoles) return bytes;
  auto content = store_.content(lock, row.id);
  if (!content.ok() || content->manifest.empty() || content->manifest_content != row.content) return bytes;
  auto manifest = decode_manifest(content->manifest);
  if (manifest.ok()) bytes = bytes_without_holes(*manifest);
  if (allocated_.size() >= kMaxAllocatedNotes) allocated_.clear();
  allocated_[row.id] = {row.content, row.attributes.size, bytes};
  return bytes;
}

void Engine::note_allocated(const MutexLock&, const InodeRow& row, BackingFile& file) {
  auto open = open_.find(row.id);
  struct stat st;
  if (open == open_.end() || !open->second->view.wholly_valid(row.attributes.size)) return;
  if (::fstat(file.fd(), &st) != 0) return;
  std::uint64_t bytes = static_cast<std::uint64_t>(st.st_blocks) * 512;
  if (bytes == whole_pages(row.attributes.size)) {
    allocated_.erase(row.id);
    return;
  }
  if (allocated_.size() >= kMaxAllocatedNotes) allocated_.clear();
  allocated_[row.id] = {row.content, row.attributes.size, bytes};
}

}  // namespace skymoor::client
