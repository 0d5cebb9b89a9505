// The net effects of a batch: the shortest commit that takes the base of an overlay to what it has become.
#pragma once
#include <vector>

#include "fuse/sync/plan/overlay.h"

namespace skymoor::client {

/// Created, written, chmod-ed and renamed is one record set; created and deleted is nothing; a chain of renames is one.
/// Ordered so that an arbiter that applies them one by one finds every parent alive and every slot free: new inodes,
/// unlinks from the deepest directory up, links from the root down, contents, attributes, xattrs. Changes nothing.
/// Errors: those of the overlay's base.
Result<std::vector<TreeEffect>> net_effects(Overlay& tree);

}  // namespace skymoor::client
