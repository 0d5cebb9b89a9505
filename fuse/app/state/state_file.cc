#include "fuse/app/state/state_file.h"

#include "shared/crypto/secret.h"

namespace skymoor::client {
namespace {
constexpr int kVersion = 1;
constexpr std::size_t kMaxBytes = 1u << 20;
}  // namespace

Error damaged_state_file(const std::string& path, const Error& why) {
  return Error(Code::kCorrupt, path + " is damaged (" + why.message() +
                                   "): put a good copy back, or move it away and run " +
                                   (path.ends_with("/volume.json") ? "'skymoor mount'" : "'skymoor login'") + " again");
}

Result<protocol::Json> read_state_file(Disk& disk, const std::string& path, std::string_view kind) {
  const auto content = crypto::SecretBytes::adopt(TRY(read_file(disk, path, kMaxBytes)));
  auto json = protocol::parse_object(content.view());
  if (!json.ok()) return damaged_state_file(path, json.error());
  protocol::FieldReader in(*json, "");
  const std::string format = in.text("format", 64);
  const std::uint64_t version = in.number("version", 1000);
  if (Status read = in.finish(); !read.ok()) return damaged_state_file(path, read.error());
  if (format != "skymoor-" + std::string(kind))
    return damaged_state_file(path, Error(Code::kCorrupt, "it is a '" + format + "'"));
  if (version > kVersion)
    return Error(Code::kCorrupt, path + " was written by a newer skymoor (version " + std::to_string(version) +
                                     " of the file): use that one");
  return json;
}

namespace {

/// Most filesystems give a short file a block of its own, which has room for it again.
Status overwrite(Disk& disk, const std::string& path, ByteView content) {
  const auto file = TRY(disk.open(path, {}));
  TRY(file->write_at(0, content));
  TRY(file->truncate(content.size()));
  return file->sync();
}

}  // namespace

Status write_state_file(Disk& disk, const std::string& path, std::string_view kind, protocol::Json fields, WhenFull when_full) {
  fields["format"] = "skymoor-" + std::string(kind);
  fields["version"] = kVersion;
  const auto content = crypto::SecretBytes::adopt(to_bytes(fields.dump(1) + "\n"));
  Status written = write_file_durably(disk, path, content.view(), 0600);
  const bool full = !written.ok() && (written.error().code() == Code::kNoSpace || written.error().code() == Code::kQuotaExceeded);
  if (!full || when_full == WhenFull::kFail || !disk.exists(path)) return written;
  return overwrite(disk, path, content.view());
}

}  // namespace skymoor::client
