// The schema of metadata.db, step by step: see SCHEMA.md.
#pragma once
#include <span>
#include <string_view>

namespace skymoor::server {

/// One step per released version; a released step is never edited.
std::span<const std::string_view> metadata_migrations();

}  // namespace skymoor::server
