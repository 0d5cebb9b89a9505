// Claims: a file that the kernel writes by itself counts as changed here before something from elsewhere takes its place.
#pragma once
#include "fuse/journal/metadata_store.h"
#include "fuse/sync/sync_engine.h"

namespace skymoor::client {

inline constexpr int kMostClaims = 16;

/// Claims what `coming` is about, and calls `apply`; what somebody began to write between the two is claimed by its name, and
/// `apply` called again. Errors: the listener's, those of `apply`, and Busy where writers come again and again.
template <typename Apply>
auto claim_and_apply(MetadataStore& store, TreeListener& listener, Coming coming, Apply apply) -> decltype(apply()) {
  for (int round = 1;; ++round) {
    TRY(listener.contents_come(coming));
    auto changes = apply();
    if (changes.ok() || changes.error().code() != Code::kBusy || round == kMostClaims) return changes;
    coming.clear();
    if (const auto held = store.held_back()) coming.emplace_back(*held, OpId{});
  }
}

}  // namespace skymoor::client
