#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Result<Node> Engine::make_node(Request& request, InodeId parent, std::string_view name, std::uint32_t mode,
                               std::uint64_t rdev) {
  FileType type = TRY(type_from_mode(mode));
  if (type == FileType::kDirectory) return Error(Code::kNotPermitted, "directories are made by mkdir");
  if (type == FileType::kSymlink) return Error(Code::kInvalidArgument, "symbolic links are made by symlink");
  bool device = type == FileType::kCharDevice || type == FileType::kBlockDevice;
  if (name.empty()) return Error(Code::kInvalidArgument, "not a name");
  return make(request, {.parent = parent, .name = name, .type = type, .mode = mode & 07777, .rdev = device ? rdev : 0});
}

}  // namespace skymoor::client
