#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Result<Node> Engine::make_directory(Request& request, InodeId parent, std::string_view name, std::uint32_t mode) {
  if (name.empty()) return Error(Code::kInvalidArgument, "not a name");
  return make(request, {.parent = parent, .name = name, .type = FileType::kDirectory, .mode = mode & 01777});
}

}  // namespace skymoor::client
