#include "fuse/filesystem/stable_nodes.h"

#include <algorithm>
#include <unordered_set>

#include "shared/base/log.h"

namespace skymoor::client {
namespace {

constexpr std::uint8_t kVersion = 1;

void put(std::unordered_map<InodeId, InodeId>& map, InodeId key, InodeId value) {
  if (key == value) map.erase(key);
  else map[key] = value;
}

InodeId look_up(const std::unordered_map<InodeId, InodeId>& map, InodeId key) {
  if (map.empty()) return key;
  auto it = map.find(key);
  return it == map.end() ? key : it->second;
}

/// The nodes of two inodes change places.
void swap_nodes(StableNodes::Table& table, InodeId one, InodeId other) {
  const InodeId node_of_one = look_up(table.node_of, one), node_of_other = look_up(table.node_of, other);
  put(table.node_of, one, node_of_other);
  put(table.node_of, other, node_of_one);
  put(table.inode_of, node_of_one, other);
  put(table.inode_of, node_of_other, one);
}

}  // namespace

// Layout: u8 version = 1, varint n, then n x (u64 node, u64 inode); varint m, then m x (u64 from, u64 to): moves that were
// begun; u32 CRC-32C of all before.
Result<StableNodes::Table> StableNodes::load(Disk& disk, const std::string& path, const Moves& moved) {
  Table table;
  if (!disk.exists(path)) return table;
  const Bytes bytes = TRY(read_file(disk, path, 64 * kMaxMoved));
  const Error damaged(Code::kCorrupt, path + " is damaged: unmount, and mount again");
  if (bytes.size() < 7) return damaged;
  const ByteView body = ByteView(bytes).first(bytes.size() - 4);
  if (ByteReader(ByteView(bytes).last(4)).u32() != crc32c(body)) return damaged;
  ByteReader in(body);
  if (in.u8() != kVersion) return Error(Code::kCorrupt, path + " is of an unknown version");
  for (std::size_t n = in.count(kMaxMoved, 16); n > 0; --n) {
    const InodeId node{in.u64()}, inode{in.u64()};
    put(table.inode_of, node, inode);
    put(table.node_of, inode, node);
  }
  for (std::size_t m = in.count(kMaxMoved, 16); m > 0; --m) {
    table.unsaved = true;
    const InodeId from{in.u64()}, to{in.u64()};
    if (std::find(moved.begin(), moved.end(), std::pair(from, to)) != moved.end()) swap_nodes(table, from, to);
  }
  if (!in.finish(path).ok()) return damaged;
  return table;
}

StableNodes::StableNodes(Filesystem& files, Disk& disk, std::string path)
    : StableNodes(files, disk, std::move(path), Table()) {}

StableNodes::StableNodes(Filesystem& files, Disk& disk, std::string path, Table table, std::size_t max_moved)
    : files_(files), disk_(disk), path_(std::move(path)), max_moved_(max_moved), table_(std::move(table)) {}

StableNodes::Passing::Passing(StableNodes& nodes) : nodes_(nodes) {
  if (nodes_.closing_.load(std::memory_order_acquire)) std::lock_guard wait(nodes_.turnstile_);
  nodes_.gate_.lock_shared();
}

// ---- Contents that change hands ----

/// A process that is killed from here on leaves a table that says what may have happened.
Status StableNodes::moves_begin(const Moves& moves) {
  turnstile_.lock();
  closing_.store(true, std::memory_order_release);
  gate_.lock();
  Status begun = check_bound(moves);
  if (begun.ok()) begun = save(moves);
  if (begun.ok()) return begun;
  open_gate();
  return begun.error().wrap("keep which files are open");
}

/// Nothing is opened by a number from here on: of what is open now less may follow, never more.
Status StableNodes::check_bound(const Moves& moves) {
  std::unordered_set<InodeId> numbers;
  for (const auto& [from, to] : files_.open_among(moves))
    for (InodeId inode : {from, to})
      if (!table_.node_of.contains(inode)) numbers.insert(inode);
  if (table_.node_of.size() + numbers.size() <= max_moved_) return {};
  return Error(Code::kTooManyOpenFiles, std::to_string(max_moved_ / 2) + " open files have become conflict copies: "
                                                                         "close files, or unmount and mount again");
}

Filesystem::Moves StableNodes::rows_moved(const MutexLock& lock, const Moves& moves) {
  Moves followed = files_.rows_moved(lock, moves);
  for (const auto& [from, to] : followed) swap_nodes(table_, from, to);
  return followed;
}

void StableNodes::files_moved() {
  files_.files_moved();
  // Also where nothing followed: what is pending in the file could be taken for done later.
  if (table_.unsaved)
    if (Status saved = save({}); !saved.ok()) log_warn("filesystem.nodes.not_saved", {{"why", saved.error()}});
  open_gate();
}

Status StableNodes::moves_kept() {
  Passing passing(*this);
  return table_.unsaved ? save({}) : Status();
}

void StableNodes::open_gate() {
  gate_.unlock();
  closing_.store(false, std::memory_order_release);
  turnstile_.unlock();
}

/// A power cut takes the open files with it: the table needs to survive a process only.
Status StableNodes::save(const Moves& pending) {
  if (path_.empty()) return {};
  ByteWriter out;
  out.u8(kVersion);
  out.varint(table_.inode_of.size());
  for (const auto& [node, inode] : table_.inode_of) {
    out.u64(node.value);
    out.u64(inode.value);
  }
  out.varint(pending.size());
  for (const auto& [from, to] : pending) {
    out.u64(from.value);
    out.u64(to.value);
  }
  const std::uint32_t checksum = crc32c(out.view());
  out.u32(checksum);
  const std::string fresh = path_ + ".new";
  {
    auto file = TRY(disk_.open(fresh, {.create = true}));
    TRY(file->truncate(0));
    TRY(file->write_at(0, out.view()));
  }
  TRY(disk_.rename(fresh, path_));
  table_.unsaved = !pending.empty();
  return {};
}

InodeId StableNodes::inode_of(const Table& table, InodeId node) { return look_up(table.inode_of, node); }

InodeId StableNodes::node_of(const Passing&, InodeId inode) const { return look_up(table_.node_of, inode); }

VisibleChanges StableNodes::for_kernel(VisibleChanges changes) {
  Passing passing(*this);
  if (table_.node_of.empty()) return changes;
  for (auto* inodes : {&changes.attributes, &changes.contents})
    for (InodeId& inode : *inodes) inode = node_of(passing, inode);
  return changes;
}

Result<Node> StableNodes::named(const Passing& passing, Result<Node> node) const {
  if (node.ok() && !table_.node_of.empty())
    if (InodeId number = node_of(passing, node->id); number != node->id) node->number = number;
  return node;
}

void StableNodes::name_stale(const Passing& passing, Request& request) const {
  if (request.stale) request.stale = node_of(passing, *request.stale);
}

// ---- Operations by number ----

Result<Node> StableNodes::lookup(Request& request, InodeId parent, std::string_view name) {
  Passing passing(*this);
  return named(passing, files_.lookup(request, inode_of(passing, parent), name));
}

Result<Node> StableNodes::get_attributes(Request& request, InodeId node) {
  Passing passing(*this);
  return named(passing, files_.get_attributes(request, inode_of(passing, node)));
}

Result<Node> StableNodes::set_attributes(Request& request, InodeId node, const SetAttributesRequest& wanted) {
  Passing passing(*this);
  auto done = named(passing, files_.set_attributes(request, inode_of(passing, node), wanted));
  name_stale(passing, request);
  return done;
}

Result<Node> StableNodes::make_node(Request& request, InodeId parent, std::string_view name, std::uint32_t mode,
                                    std::uint64_t rdev) {
  Passing passing(*this);
  return named(passing, files_.make_node(request, parent, name, mode, rdev));
}

Result<Node> StableNodes::make_directory(Request& request, InodeId parent, std::string_view name, std::uint32_t mode) {
  Passing passing(*this);
  return named(passing, files_.make_directory(request, parent, name, mode));
}

Result<Node> StableNodes::make_symlink(Request& request, InodeId parent, std::string_view name, std::string_view target) {
  Passing passing(*this);
  return named(passing, files_.make_symlink(request, parent, name, target));
}

Result<Node> StableNodes::link(Request& request, InodeId node, InodeId parent, std::string_view name) {
  Passing passing(*this);
  return named(passing, files_.link(request, inode_of(passing, node), parent, name));
}

Result<std::vector<DirectoryEntry>> StableNodes::read_directory(Request& request, InodeId directory, std::uint64_t after,
                                                                std::size_t limit, bool plus) {
  Passing passing(*this);
  auto entries = files_.read_directory(request, directory, after, limit, plus);
  if (!entries.ok() || table_.node_of.empty()) return entries;
  for (DirectoryEntry& entry : *entries)
    if (InodeId number = node_of(passing, entry.node.id); number != entry.node.id) entry.node.number = number;
  return entries;
}

void StableNodes::forget(InodeId node) {
  Passing passing(*this);
  files_.forget(inode_of(passing, node));
}

Result<Filesystem::Created> StableNodes::create(Request& request, InodeId parent, std::string_view name, std::uint32_t mode,
                                                OpenFlags flags) {
  Passing passing(*this);
  auto created = files_.create(request, parent, name, mode, flags);
  if (created.ok()) created->node = TRY(named(passing, std::move(created->node)));
  return created;
}

Result<Filesystem::Created> StableNodes::create_unnamed(Request& request, InodeId parent, std::uint32_t mode,
                                                        OpenFlags flags) {
  Passing passing(*this);
  return files_.create_unnamed(request, parent, mode, flags);
}

Result<Opened> StableNodes::open(Request& request, InodeId node, OpenFlags flags) {
  Passing passing(*this);
  auto opened = files_.open(request, inode_of(passing, node), flags);
  name_stale(passing, request);
  return opened;
}

Result<Bytes> StableNodes::get_xattr(Request& request, InodeId node, std::string_view name) {
  Passing passing(*this);
  return files_.get_xattr(request, inode_of(passing, node), name);
}

Status StableNodes::set_xattr(Request& request, InodeId node, std::string_view name, ByteView value, int flags,
                              bool kill_sgid) {
  Passing passing(*this);
  return files_.set_xattr(request, inode_of(passing, node), name, value, flags, kill_sgid);
}

Result<std::vector<std::string>> StableNodes::list_xattrs(Request& request, InodeId node) {
  Passing passing(*this);
  return files_.list_xattrs(request, inode_of(passing, node));
}

Status StableNodes::remove_xattr(Request& request, InodeId node, std::string_view name) {
  Passing passing(*this);
  return files_.remove_xattr(request, inode_of(passing, node), name);
}

// ---- Operations by handle that answer a number: the gate comes after, for they may take long ----

Result<std::size_t> StableNodes::write(Request& request, HandleId handle, std::uint64_t offset, std::size_t size,
                                       const WriteSource& source) {
  auto written = files_.write(request, handle, offset, size, source);
  if (request.stale) name_stale(Passing(*this), request);
  return written;
}

Status StableNodes::allocate(Request& request, HandleId handle, int mode, std::uint64_t offset, std::uint64_t length) {
  Status done = files_.allocate(request, handle, mode, offset, length);
  if (request.stale) name_stale(Passing(*this), request);
  return done;
}

Result<std::size_t> StableNodes::copy_range(Request& request, HandleId from, std::uint64_t from_offset, HandleId to,
                                            std::uint64_t to_offset, std::size_t length) {
  auto copied = files_.copy_range(request, from, from_offset, to, to_offset, length);
  if (request.stale) name_stale(Passing(*this), request);
  return copied;
}

std::optional<InodeId> StableNodes::release(HandleId handle) {
  auto inode = files_.release(handle);
  if (!inode) return inode;
  Passing passing(*this);
  return node_of(passing, *inode);
}

}  // namespace skymoor::client
