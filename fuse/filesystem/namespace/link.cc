#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Result<Node> Engine::link(Request& request, InodeId inode, InodeId parent, std::string_view name) {
  TRY(check_name(name));
  TRY(ask_room(request, 0));
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, inode));
  if (row.attributes.type == FileType::kDirectory) return Error(Code::kNotPermitted, "directories have one name");
  auto it = open_.find(inode);
  const bool first = row.links == 0;
  if (first && (it == open_.end() || !it->second->unnamed)) return Error(Code::kNotFound, "the inode was removed");
  if (row.links >= kMaxLinks) return Error(Code::kTooManyLinks, "too many names");
  InodeRow directory = TRY(directory_of(lock, request, parent));
  TRY(check_free(lock, request, parent, name));

  // The first name of an unnamed file is what creates it for everybody else.
  std::string text(name);
  Change change = store_.begin(lock, first ? Intent(CreateIntent{parent, text, inode})
                                           : Intent(LinkIntent{parent, text, inode, row.content}));
  ++row.links;
  row.parent = parent;
  row.attributes.ctime = change.time();
  row.changed = change.lsn();
  stamp(change, directory);
  if (first) TRY(announce_all(lock, change, row));
  change.put(row);
  change.put(std::move(directory));
  change.put(DentryRow{parent, std::move(text), inode, row.attributes.type, 0, {}});
  TRY(commit(lock, std::move(change)));
  if (first) {
    it->second->unnamed = false;
    orphans_.erase(inode);
    it->second->view.renamed(row.content);
  }
  lock.unlock();
  return get_attributes(request, inode);   // the kernel may be writing the file past us: its size must be right
}

/// What happened to the file while it had no name was nobody's business: it is said now that it has one.
Status Engine::announce_all(const MutexLock& lock, Change& change, InodeRow& row) {
  if (row.has_xattrs) {
    for (std::string& name : TRY(store_.xattr_names(lock, row.id))) {
      Bytes value = TRY(store_.xattr(lock, row.id, name));
      change.put_xattr(row.id, std::move(name), std::move(value));
    }
  }
  if (row.content == OpId{}) return {};
  ContentRow content = TRY(store_.content(lock, row.id));
  const bool listed = !content.manifest.empty() && content.manifest_content == row.content;
  row.content = content_id(change);
  // What was copied by its blocks alone (clone_range) is not here.
  if (listed) change.put_manifest(row.id, row.content, std::move(content.manifest));
  for (const Extent& here : content.valid.present({0, row.attributes.size}))
    if (!listed || content.dirty.intersects(here)) change.mark_content(row.id, here, true, true);
  return {};
}

}  // namespace skymoor::client
