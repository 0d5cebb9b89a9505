// Effects with their names, targets and manifests open: what the planner makes, the uploader seals, the feed brings.
#pragma once
#include <optional>
#include <string>
#include <variant>

#include "shared/base/ids.h"
#include "shared/model/attributes.h"

namespace skymoor::client {

struct NewEffect {
  InodeId inode;
  Attributes attributes;
  std::string target;
};
struct LinkEffect {
  InodeId directory;
  std::string name;
  InodeId inode;
};
struct UnlinkEffect {
  InodeId directory;
  std::string name;
  InodeId inode;
};
struct PutEffect {
  InodeId inode;
  OpId content;
  std::uint64_t size = 0;
  Timestamp mtime{}, ctime{};
  Bytes manifest;            ///< encode_manifest
};
struct AttributeEffect {
  InodeId inode;
  std::uint8_t fields = 0;   ///< AttributeField bits
  Attributes values;
};
struct XattrEffect {
  InodeId inode;
  std::string name;
  std::optional<Bytes> value;  ///< nothing: removed
};
using TreeEffect = std::variant<NewEffect, LinkEffect, UnlinkEffect, PutEffect, AttributeEffect, XattrEffect>;

}  // namespace skymoor::client
