#include "fuse/app/history/volume_history.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "shared/crypto/volume_cipher.h"

namespace skymoor::client {
namespace {

/// Files that were deleted or replaced under one name: programs that save by renaming make one each time.
constexpr std::size_t kMaxFilesOfOneName = 200;

bool is_file(const InodeRecord& inode) { return inode.attributes.type == FileType::kFile; }

/// Ids are the sequence; where one commit stored two of them, the inode tells them apart.
void name_versions(std::vector<PathVersion>& versions) {
  std::map<Sequence, int> count;
  for (const PathVersion& v : versions) ++count[v.record.sequence];
  for (PathVersion& v : versions) {
    v.id = std::to_string(v.record.sequence.value);
    if (count[v.record.sequence] > 1) v.id += "." + std::to_string(v.inode.inode.value);
  }
}

}  // namespace

VolumeHistory::VolumeHistory(CommandContext& context, RunningMount mount)
    : context_(context), mount_(std::move(mount)), throttle_(context.clock, 0), connection_(context.clock) {}
VolumeHistory::~VolumeHistory() = default;

Result<std::unique_ptr<VolumeHistory>> VolumeHistory::open(CommandContext& context, const std::string& path) {
  // The mount of the nearest directory that is there.
  std::error_code failed;
  std::filesystem::path at = std::filesystem::absolute(path, failed).lexically_normal();
  if (!at.has_filename()) at = at.parent_path();
  struct stat ignored = {};
  // Another error is not that it is gone: a mount whose process has died has no names.
  while (at != at.root_path() && ::lstat(at.c_str(), &ignored) != 0 && (errno == ENOENT || errno == ENOTDIR)) at = at.parent_path();
  RunningMount mount = TRY(find_running_mount(context.disk, context.paths, at.string()));
  std::unique_ptr<VolumeHistory> history(new VolumeHistory(context, std::move(mount)));
  const auto id = TRY(VolumeId::from_hex(std::filesystem::path(history->mount_.directory).filename().string()));
  history->volume_ = TRY(load_volume(context.disk, context.paths, id));
  history->login_ = TRY(logged_in(context));
  RemoteSession& session = history->login_.server->session();
  history->remote_ = std::make_unique<HistoryRemote>(session, id);
  history->blocks_remote_ = std::make_unique<HttpVolumeRemote>(session, context.random, id);
  history->cipher_ = std::make_unique<crypto::VolumeCipher>(history->volume_.key);
  history->blocks_ = std::make_unique<BlockReader>(*history->blocks_remote_, history->throttle_, history->progress_,
                                                   history->connection_);
  return history;
}

Result<HistoryPlace> VolumeHistory::find(const std::string& path) {
  std::error_code failed;
  std::filesystem::path at = std::filesystem::absolute(path, failed).lexically_normal();
  if (!at.has_filename()) at = at.parent_path();
  HistoryPlace place;
  place.path = at.string();
  std::vector<std::string> gone;   // the last component first
  struct stat st = {};
  while (::lstat(at.c_str(), &st) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) return Error::from_errno(errno, at.string());
    gone.push_back(at.filename().string());
    at = at.parent_path();
  }
  const auto mount_point = std::filesystem::path(mount_.mount_point);
  if (gone.empty()) {
    place.now = st;
    if (std::filesystem::equivalent(at, mount_point, failed) && S_ISDIR(st.st_mode)) {
      place.directory = InodeId{st.st_ino};
      return place;
    }
    gone.push_back(at.filename().string());
    at = at.parent_path();
  }
  if (::stat(at.c_str(), &st) != 0 || !S_ISDIR(st.st_mode))
    return Error(Code::kNotFound, at.string() + " is no directory, so nothing was ever in it");
  place.directory = InodeId{st.st_ino};
  for (; gone.size() > 1; gone.pop_back()) {
    at /= gone.back();
    auto entries = TRY(deleted(place.directory, gone.back()));
    auto directory = std::find_if(entries.begin(), entries.end(), [](const DeletedEntry& e) {
      return e.inode.attributes.type == FileType::kDirectory;
    });
    if (directory == entries.end())
      return Error(Code::kNotFound, "there is no " + at.string() + ", and the server keeps no deleted directory of that name");
    place.directory = directory->inode.inode;
  }
  place.name = gone.back();
  return place;
}

Result<std::vector<VersionRecord>> VolumeHistory::versions_of(InodeId inode, InodeRecord* record) {
  std::vector<VersionRecord> all;
  Sequence before;
  do {
    VersionPage page = TRY(remote_->versions(inode, before, {}));
    if (record) *record = std::move(page.inode);
    all.insert(all.end(), page.versions.begin(), page.versions.end());
    if (page.next && before && page.next >= before) return Error(Code::kCorrupt, "the server's pages do not end");
    before = page.next;
  } while (before && all.size() < kMaxListed);
  return all;
}

Status VolumeHistory::load_device_names() {
  if (!device_names_.empty()) return {};
  for (const protocol::DevicePublic& device : TRY(blocks_remote_->devices({}))) device_names_[device.id] = device.name;
  return {};
}

Result<std::vector<PathVersion>> VolumeHistory::versions(const HistoryPlace& place, bool* more) {
  TRY(load_device_names());
  std::vector<PathVersion> all;
  auto add = [&](InodeId inode, std::optional<Timestamp> deleted_at) -> Status {
    InodeRecord record;
    auto versions = versions_of(inode, &record);
    if (!versions.ok() && versions.error().code() == Code::kNotFound) return {};  // not sent yet
    if (!versions.ok()) return versions.error();
    for (const VersionRecord& v : *versions) {
      auto device = device_names_.find(v.device);
      all.push_back({"", record, v, device == device_names_.end() ? "" : device->second,
                     !deleted_at && v.sequence == record.content_version, deleted_at});
    }
    return {};
  };
  if (place.now && S_ISREG(place.now->st_mode)) TRY(add(InodeId{place.now->st_ino}, std::nullopt));
  std::size_t files = 0;
  if (more) *more = false;
  if (!place.name.empty())
    for (const DeletedEntry& entry : TRY(deleted(place.directory, place.name))) {
      if (!is_file(entry.inode)) continue;
      if (++files > kMaxFilesOfOneName) {
        if (more) *more = true;
        break;
      }
      TRY(add(entry.inode.inode, entry.time));
    }
  std::sort(all.begin(), all.end(), [](const PathVersion& a, const PathVersion& b) {
    return std::tie(b.record.sequence, a.inode.inode) < std::tie(a.record.sequence, b.inode.inode);
  });
  name_versions(all);
  return all;
}

Result<std::vector<DeletedEntry>> VolumeHistory::deleted(InodeId directory, std::string_view name, bool* more) {
  const NameToken token = name.empty() ? NameToken{} : cipher_->name_token(directory, name);
  std::vector<DeletedEntry> all;
  Bytes cursor;
  if (more) *more = false;
  do {
    TrashPage page = TRY(remote_->trash(directory, token, cursor, {}));
    for (TrashEntry& entry : page.entries) {
      std::string opened = TRY(cipher_->open_name(directory, entry.inode.inode, entry.sealed_name));
      if (cipher_->name_token(directory, opened) != entry.token || (!name.empty() && opened != name))
        return Error(Code::kCorrupt, "the server gave a deleted entry under a name that is not its own");
      all.push_back({std::move(opened), entry.time, entry.sequence, std::move(entry.inode)});
    }
    if (!page.next.empty() && page.next == cursor) return Error(Code::kCorrupt, "the server's pages do not end");
    cursor = std::move(page.next);
  } while (!cursor.empty() && all.size() < kMaxListed);
  if (more) *more = !cursor.empty();
  std::sort(all.begin(), all.end(), [](const DeletedEntry& a, const DeletedEntry& b) {
    return std::tie(b.sequence, a.name) < std::tie(a.sequence, b.name);
  });
  return all;
}

}  // namespace skymoor::client
