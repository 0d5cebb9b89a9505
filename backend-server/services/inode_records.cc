#include "backend-server/services/inode_records.h"

namespace skymoor::server {
namespace {

/// What an inode adds to a page beside its variable parts.
constexpr std::size_t kRecordOverhead = 160;
constexpr std::size_t kXattrOverhead = 48;

}  // namespace

Result<InodeRecord> record_of(const NamespaceTable& names, VolumeNumber volume, InodeRow row,
                              std::size_t manifest_bytes) {
  InodeRecord record;
  record.inode = row.inode;
  record.attributes = row.attributes;
  record.links = row.links;
  record.version = row.touched;
  record.content_version = row.content_version;
  record.content = row.content;
  record.sealed_target = std::move(row.sealed_target);
  if (row.content_version && row.manifest_bytes <= manifest_bytes)
    record.sealed_manifest = TRY(names.find_manifest(volume, row.inode, row.content_version));
  record.manifest_left_out = row.content_version && record.sealed_manifest.empty();
  if (row.xattrs > 0) record.xattrs = TRY(names.list_xattrs(volume, row.inode));
  return record;
}

std::size_t size_of(const InodeRecord& record) {
  std::size_t size = kRecordOverhead + record.sealed_target.size() + record.sealed_manifest.size();
  for (const SetXattr& xattr : record.xattrs) size += kXattrOverhead + xattr.sealed.size();
  return size;
}

}  // namespace skymoor::server
