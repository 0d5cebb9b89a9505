// Effects, intents and ids in words, for debug logs and for what tests say.
#pragma once
#include <string>

#include "fuse/journal/record.h"
#include "fuse/journal/tree_effect.h"

namespace skymoor::client {

/// "2.17": writer and counter; "root".
std::string describe(InodeId inode);
std::string describe(OpId op);
/// "link 1.4/name=1.9", "put 1.9 content 1.12 size 5", ...
std::string describe(const TreeEffect& effect);
std::string describe(const std::vector<TreeEffect>& effects);
/// The intent with its record's number.
std::string describe(const LogRecord& record);

}  // namespace skymoor::client
