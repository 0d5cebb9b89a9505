#include "journal_support.h"

#include <sstream>

namespace skymoor::client {

TemporaryDirectory::TemporaryDirectory() {
  // Memory, where there is such a place: what is tested is the order of things, not the disk.
  std::string root = std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path().string();
  std::string pattern = root + "/skymoor-journal-XXXXXX";
  if (!::mkdtemp(pattern.data())) std::abort();
  path_ = pattern;
}
TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void copy_files(const std::string& from, const std::string& to) {
  for (const auto& entry : std::filesystem::directory_iterator(from))
    if (entry.path().filename() != "lock") std::filesystem::copy(entry.path(), to);
}

StoreIdentity test_identity() {
  StoreIdentity identity;
  identity.volume.value[0] = 0x11;
  identity.device.value[0] = 0x22;
  identity.writer = WriterId{7};
  return identity;
}

MetadataStore::Options quiet_options(const std::string& directory) {
  MetadataStore::Options options;
  options.directory = directory;
  options.sync_interval = options.checkpoint_interval = std::chrono::milliseconds{0};
  return options;
}

Bytes operator""_bytes(const char* text, std::size_t size) { return to_bytes(std::string_view(text, size)); }

Bytes text_manifest(std::uint64_t size, std::initializer_list<int> blocks) {
  Manifest manifest;
  manifest.size = size;
  for (int block : blocks) {
    Chunk chunk;
    chunk.length = size / blocks.size();
    chunk.block.value[0] = static_cast<std::uint8_t>(block);
    chunk.stored_bytes = block ? 100 : 0;
    manifest.chunks.push_back(chunk);
  }
  return encode_manifest(manifest);
}

std::string row_text(const InodeRow& row) {
  std::ostringstream out;
  out << row.id.value << " type " << static_cast<int>(row.attributes.type) << " mode " << row.attributes.mode << " size "
      << row.attributes.size << " mtime " << row.attributes.mtime.time_since_epoch().count() << " links " << row.links
      << " parent " << row.parent.value << " target '" << row.target << "' content " << row.content.writer.value << "."
      << row.content.counter;
  return out.str();
}

namespace {

std::string extents_text(const ExtentSet& set) {
  std::ostringstream out;
  for (const Extent& e : set.all()) out << "[" << e.begin << "," << e.end << ")";
  return out.str();
}

std::string content_text(const ContentRow& row) {
  std::ostringstream out;
  out << "valid " << extents_text(row.valid) << " dirty " << extents_text(row.dirty) << " manifest "
      << row.manifest_content.writer.value << "." << row.manifest_content.counter << " " << hex_encode(row.manifest);
  return out.str();
}

}  // namespace

Reference::Reference() {
  InodeRow root;
  root.id = kRootInode;
  root.attributes.type = FileType::kDirectory;
  root.links = 2;
  root.parent = kRootInode;
  root.listed = true;
  inodes[kRootInode].row = root;
}

std::string Reference::dump() const {
  std::ostringstream out;
  std::function<void(InodeId)> walk = [&](InodeId id) {
    const File& file = inodes.at(id);
    out << row_text(file.row) << "\n";
    for (const auto& [name, value] : file.xattrs) out << "  xattr " << name << "=" << hex_encode(value) << "\n";
    if (file.row.attributes.type == FileType::kFile) out << "  " << content_text(file.content) << "\n";
    if (file.row.attributes.type != FileType::kDirectory) return;
    for (auto it = dentries.lower_bound({id, ""}); it != dentries.end() && it->first.first == id; ++it) {
      out << id.value << "/" << it->first.second << " -> ";
      walk(it->second.inode);
    }
  };
  walk(kRootInode);
  return out.str();
}

std::string dump(MetadataStore& store) {
  std::ostringstream out;
  MutexLock lock(store.mutex());
  std::function<void(InodeId)> walk = [&](InodeId id) {
    auto row = store.inode(lock, id);
    if (!row.ok()) {
      out << "inode " << id.value << ": " << row.error().to_string() << "\n";
      return;
    }
    out << row_text(*row) << "\n";
    auto names = store.xattr_names(lock, id);
    EXPECT_TRUE(names.ok());
    for (const std::string& name : *names) {
      auto value = store.xattr(lock, id, name);
      EXPECT_TRUE(value.ok());
      out << "  xattr " << name << "=" << hex_encode(*value) << "\n";
    }
    if (row->attributes.type == FileType::kFile) {
      auto content = store.content(lock, id);
      EXPECT_TRUE(content.ok());
      out << "  " << content_text(*content) << "\n";
    }
    if (row->attributes.type != FileType::kDirectory) return;
    std::map<std::string, InodeId> entries;
    std::set<std::uint64_t> cookies;
    std::uint64_t after = 0;
    for (;;) {
      auto page = store.list(lock, id, after, 3);
      if (!page.ok()) {
        out << "list: " << page.error().to_string() << "\n";
        return;
      }
      for (const DentryRow& entry : *page) {
        EXPECT_GT(entry.cookie, after) << "cookies must grow";
        after = entry.cookie;
        EXPECT_TRUE(entries.emplace(entry.name, entry.inode).second) << entry.name << " listed twice";
        auto direct = store.dentry(lock, id, entry.name);
        EXPECT_TRUE(direct.ok() && direct->inode == entry.inode && direct->cookie == entry.cookie) << entry.name;
      }
      if (page->size() < 3) break;
    }
    EXPECT_EQ(*store.has_children(lock, id), !entries.empty());
    for (const auto& [name, inode] : entries) {
      out << id.value << "/" << name << " -> ";
      walk(inode);
    }
  };
  walk(kRootInode);
  return out.str();
}

Status Tree::run(Intent intent, const std::function<void(Change&, Reference&)>& body) {
  MutexLock lock(store_->mutex());
  Change change = store_->begin(lock, std::move(intent));
  Reference next = reference;
  body(change, next);
  Status done = store_->commit(lock, std::move(change));
  (done.ok() ? reference : after_failure) = std::move(next);
  return done;
}

Status Tree::make_root() {
  Reference fresh;
  return store_->reset_mirror(Epoch{1}, Sequence{0}, Hash256{}, fresh.inodes.at(kRootInode).row);
}

Result<InodeId> Tree::create(InodeId directory, const std::string& name, FileType type) {
  InodeId id;
  TRY(run(CreateIntent{directory, name, {}}, [&](Change& change, Reference& next) {
    id = make_inode_id(store_->identity().writer, change.lsn().value);
    std::get<CreateIntent>(change.intent()).inode = id;
    InodeRow made;
    made.id = id;
    made.attributes.type = type;
    made.attributes.mode = 0644;
    made.attributes.mtime = change.time();
    made.links = type == FileType::kDirectory ? 2 : 1;
    made.parent = directory;
    made.listed = type == FileType::kDirectory;
    if (type == FileType::kSymlink) made.target = "to " + name;
    InodeRow parent = next.inodes.at(directory).row;
    parent.attributes.mtime = change.time();
    if (type == FileType::kDirectory) ++parent.links;
    DentryRow dentry{directory, name, id, type, 0, {}};
    change.put(made);
    change.put(dentry);
    change.put(parent);
    next.inodes[id].row = made;
    next.inodes[directory].row = parent;
    next.dentries[{directory, name}] = dentry;
  }));
  return id;
}

Status Tree::unlink(InodeId directory, const std::string& name, bool keep_orphan) {
  InodeId id = reference.dentries.at({directory, name}).inode;
  InodeRow victim = row(id);
  bool is_directory = victim.attributes.type == FileType::kDirectory;
  Intent intent = is_directory ? Intent(RmdirIntent{directory, name, id})
                               : Intent(UnlinkIntent{directory, name, id, victim.links == 1, victim.content});
  return run(std::move(intent), [&](Change& change, Reference& next) {
    change.erase_dentry(directory, name);
    next.dentries.erase({directory, name});
    InodeRow parent = next.inodes.at(directory).row;
    parent.attributes.mtime = change.time();
    if (is_directory) --parent.links;
    change.put(parent);
    next.inodes[directory].row = parent;
    victim.links = is_directory ? 0 : victim.links - 1;
    if (victim.links > 0 || keep_orphan) {
      change.put(victim);
      next.inodes[id].row = victim;
    } else {
      change.erase_inode(id);
      next.inodes.erase(id);
    }
  });
}

Status Tree::link(InodeId inode, InodeId directory, const std::string& name) {
  return run(LinkIntent{directory, name, inode, row(inode).content}, [&](Change& change, Reference& next) {
    InodeRow more = row(inode);
    ++more.links;
    DentryRow dentry{directory, name, inode, more.attributes.type, 0, {}};
    change.put(dentry);
    change.put(more);
    next.dentries[{directory, name}] = dentry;
    next.inodes[inode].row = more;
  });
}

// Over a file too; not over directories.
Status Tree::rename(InodeId from, const std::string& name, InodeId to, const std::string& new_name) {
  InodeId id = reference.dentries.at({from, name}).inode;
  auto there = reference.dentries.find({to, new_name});
  InodeId replaced = there == reference.dentries.end() ? InodeId{} : there->second.inode;
  RenameIntent intent{from, name, to, new_name, id, row(id).content, replaced, {}, false, false};
  return run(intent, [&](Change& change, Reference& next) {
    InodeRow moved = row(id);
    bool is_directory = moved.attributes.type == FileType::kDirectory;
    moved.parent = to;
    next.inodes[id].row = moved;
    if (replaced && replaced != id) {
      InodeRow victim = row(replaced);
      if (--victim.links > 0) {
        change.put(victim);
        next.inodes[replaced].row = victim;
      } else {
        change.erase_inode(replaced);
        next.inodes.erase(replaced);
      }
    }
    if (is_directory && from != to) {
      --next.inodes[from].row.links;
      ++next.inodes[to].row.links;
      change.put(next.inodes[from].row);
      change.put(next.inodes[to].row);
    }
    change.erase_dentry(from, name);
    DentryRow dentry{to, new_name, id, moved.attributes.type, 0, {}};
    change.put(dentry);
    change.put(next.inodes[id].row);
    next.dentries.erase({from, name});
    next.dentries[{to, new_name}] = dentry;
  });
}

Status Tree::chmod(InodeId inode, std::uint32_t mode) {
  return run(AttributeIntent{inode, kFieldMode}, [&](Change& change, Reference& next) {
    next.inodes.at(inode).row.attributes.mode = mode;
    change.put(next.inodes.at(inode).row);
  });
}

Status Tree::write(InodeId inode, Extent extent) {
  return run(WriteIntent{inode, row(inode).content}, [&](Change& change, Reference& next) {
    auto& file = next.inodes.at(inode);
    file.row.attributes.size = std::max(file.row.attributes.size, extent.end);
    file.row.content = {store_->identity().writer, change.lsn().value};
    file.content.valid.add(extent);
    file.content.dirty.add(extent);
    change.put(file.row);
    change.mark_content(inode, extent, true, true);
  });
}

Status Tree::truncate(InodeId inode, std::uint64_t size) {
  return run(WriteIntent{inode, row(inode).content}, [&](Change& change, Reference& next) {
    auto& file = next.inodes.at(inode);
    file.row.attributes.size = size;
    file.row.content = {store_->identity().writer, change.lsn().value};
    Extent rest{size, kMaxFileBytes};
    file.content.valid.remove(rest);
    file.content.dirty.remove(rest);
    change.put(file.row);
    change.mark_content(inode, rest, false, false);
  });
}

Status Tree::set_xattr(InodeId inode, const std::string& name, const std::string& value) {
  return run(XattrIntent{inode, name}, [&](Change& change, Reference& next) {
    next.inodes.at(inode).xattrs[name] = to_bytes(value);
    change.put_xattr(inode, name, to_bytes(value));
  });
}

Status Tree::remove_xattr(InodeId inode, const std::string& name) {
  return run(XattrIntent{inode, name}, [&](Change& change, Reference& next) {
    next.inodes.at(inode).xattrs.erase(name);
    change.erase_xattr(inode, name);
  });
}

Status Tree::put_manifest(InodeId inode, const Manifest& manifest) {
  return run(WriteIntent{inode, row(inode).content}, [&](Change& change, Reference& next) {
    auto& file = next.inodes.at(inode);
    OpId content{store_->identity().writer, change.lsn().value};
    file.row.content = content;
    file.row.attributes.size = manifest.size;
    file.content.manifest_content = content;
    file.content.manifest = encode_manifest(manifest);
    change.put(file.row);
    change.put_manifest(inode, content, file.content.manifest);
  });
}

}  // namespace skymoor::client
