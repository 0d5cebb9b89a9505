#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Result<Node> Engine::make_symlink(Request& request, InodeId parent, std::string_view name, std::string_view target) {
  if (name.empty()) return Error(Code::kInvalidArgument, "not a name");
  if (target.empty()) return Error(Code::kNotFound, "an empty target");
  if (target.size() > kMaxTargetBytes) return Error(Code::kNameTooLong, "target longer than 4095 bytes");
  if (target.find('\0') != target.npos) return Error(Code::kInvalidArgument, "target with NUL");
  return make(request, {.parent = parent, .name = name, .type = FileType::kSymlink, .mode = 0777, .target = target});
}

}  // namespace skymoor::client
