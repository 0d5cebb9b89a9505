#include "fuse/app/mount/volume_opening.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
constexpr int kMirrorTries = 20;

Error first_time(const Error& why) {
  if (why.code() != Code::kOffline && why.code() != Code::kTimedOut) return why;
  return why.wrap("the first mount of a volume on a device needs the server");
}

Result<LocalVolume> open_at_server(Disk& disk, const StatePaths& paths, const Account& account, AccountRemote& remote,
                                   const std::string& name, const CallOptions& options) {
  ListedVolume listed = TRY(find_volume(remote, account, name, options));
  LocalVolume volume;
  // After a logout the state is still here, without its key.
  auto known = load_volume(disk, paths, listed.info.id);
  if (known.ok())
    volume = std::move(*known);
  else if (known.error().code() != Code::kNotFound)
    return known.error();
  else
    volume.device = account.device;
  volume.id = listed.info.id;
  volume.label = listed.label;
  volume.role = listed.info.role;
  volume.key = std::move(listed.key);
  volume.quota_bytes = listed.info.quota_bytes;
  volume.stored_bytes = listed.info.stored_bytes;
  volume.free_bytes = listed.info.free_bytes;
  if (!volume.writer && volume.role != protocol::Role::kReader)
    volume.writer = TRY(remote.lease_writer(volume.id, options)).writer;
  TRY(make_private_directory(disk, paths.volumes()));
  TRY(save_volume(disk, paths, volume));
  return volume;
}

InodeRow row_of(const InodeRecord& record) {
  InodeRow row;
  row.id = record.inode;
  row.attributes = record.attributes;
  row.links = record.links;
  row.parent = kRootInode;
  row.content = record.content;
  row.version = record.version;
  row.has_xattrs = !record.xattrs.empty();
  return row;
}

}  // namespace

Result<LocalVolume> open_volume(Disk& disk, const StatePaths& paths, const Account& account, AccountRemote& remote,
                                const std::string& name, std::stop_token stop) {
  auto local = find_local_volume(disk, paths, name);
  if (!local.ok() && local.error().code() != Code::kNotFound) return local.error();
  if (local.ok() && !local->key.seed.empty()) return local;
  auto opened = open_at_server(disk, paths, account, remote, name, {30s, stop});
  if (!opened.ok()) return first_time(opened.error());
  return opened;
}

Status start_mirror(MetadataStore& store, VolumeRemote& remote, std::stop_token stop) {
  {
    MutexLock lock(store.mutex());
    if (store.inode(lock, kRootInode).ok()) return {};
  }
  const CallOptions options{30s, stop};
  for (int tries = 1;; ++tries) {
    const auto info = remote.info(options);
    if (!info.ok()) return first_time(info.error());
    const auto page = remote.inodes({kRootInode}, options);
    if (!page.ok()) return first_time(page.error());
    if (page->inodes.size() != 1 || page->inodes[0].inode != kRootInode)
      return Error(Code::kUnknownServer, "the server knows the volume, but not its root directory");
    // Somebody committed in between: the root must be as of the head whose hash we take over.
    if (page->sequence != info->head && tries < kMirrorTries) continue;
    return store.reset_mirror(info->epoch, info->head, info->head_hash, row_of(page->inodes[0]));
  }
}

}  // namespace skymoor::client
