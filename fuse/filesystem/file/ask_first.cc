// Close-to-open across devices, on demand: the server is asked before a file is opened.
#include "fuse/filesystem/engine.h"

namespace skymoor::client {

/// The first time NotPresent with the need of what is new. The second time Stale, if the file lost its last name
/// meanwhile: the kernel then looks the path up anew, and opens what stands there now.
Status Engine::ask_first(Request& request, InodeId id) {
  MutexLock lock(store_.mutex());
  const InodeRow row = TRY(row_of(lock, request, id));
  if (!request.asked) {
    request.asked = true;
    request.links_before = row.links;
    return lacks(request, Need::Kind::kFresh, id);
  }
  if (request.links_before != 0 && row.links == 0) return Error(Code::kStale, "another device removed or replaced it");
  return {};
}

}  // namespace skymoor::client
