// Close-to-open across devices, on demand: the server is asked before a file is opened.
#include "fuse/filesystem/engine.h"

namespace skymoor::client {

/// The first time NotPresent with the need of what is new. The second time Stale, if the file lost its last name
/// meanwhile, or before, and nobody has it open (the kernel may not have been told yet): it then looks the path up anew,
/// and opens what stands there now.
Status Engine::ask_first(Request& request, InodeId id) {
  MutexLock lock(store_.mutex());
  const InodeRow row = TRY(row_of(lock, request, id));
  if (!request.asked) {
    request.asked = true;
    request.links_before = row.links;
    return lacks(request, Need::Kind::kFresh, id);
  }
  const auto open = open_.find(id);
  const bool used = open != open_.end() && open->second->handles != 0;
  if (row.links == 0 && (request.links_before != 0 || !used)) return Error(Code::kStale, "another device removed or replaced it");
  return {};
}

}  // namespace skymoor::client
