#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Result<Node> Engine::lookup(Request& request, InodeId parent, std::string_view name) {
  if (name.size() > kMaxNameBytes) return Error(Code::kNameTooLong, "name longer than 255 bytes");
  std::shared_ptr<OpenInode> watched;
  {
    MutexLock lock(store_.mutex());
    InodeId found;
    if (name == "." || name == "..") {
      // By a file handle the kernel asks for "." of files, too.
      InodeRow directory = TRY(row_of(lock, request, parent));
      if (name == ".." && directory.attributes.type != FileType::kDirectory)
        return Error(Code::kNotDirectory, "not a directory");
      // What has neither name nor user is gone, though its rows may wait to be erased.
      const auto open = open_.find(parent);
      if (directory.links == 0 && (open == open_.end() || open->second->handles == 0))
        return Error(Code::kStale, "the inode is gone");
      found = name == "." || parent == kRootInode || !directory.parent ? parent : directory.parent;
    } else {
      auto entry = entry_of(lock, request, parent, name);
      if (!entry.ok()) {
        // A missing name is the usual case; what is wrong with the parent is asked only then.
        if (entry.error().code() == Code::kNotFound) TRY(directory_of(lock, request, parent));
        if (entry.error().code() == Code::kNotFound && options_.ask_at_open && !std::exchange(request.asked, true))
          return lacks(request, Need::Kind::kFresh, parent);
        return std::move(entry).error();
      }
      found = entry->inode;
    }
    InodeRow row = TRY(row_of(lock, request, found));
    auto it = open_.find(found);
    if (it == open_.end() || !it->second->watched.load(std::memory_order_acquire)) return node_of(lock, row);
    watched = it->second;
  }
  return get_attributes(request, watched->id);
}

}  // namespace skymoor::client
