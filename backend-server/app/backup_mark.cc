#include "backend-server/app/backup_mark.h"

#include "shared/base/settings.h"

namespace skymoor::server {
namespace {

constexpr const char* kFile = "/backup.toml";
constexpr Setting kTable[] = {
    {"server", SettingType::kText, "", 0, 0, "of which server"},
    {"complete", SettingType::kBool, "false", 0, 0, "whether all of it is there"},
};

}  // namespace

Result<std::optional<BackupMark>> load_backup_mark(Disk& disk, const std::string& directory) {
  if (!disk.exists(directory + kFile)) return std::optional<BackupMark>();
  Settings settings(kTable);
  TRY(settings.load_toml(directory + kFile));
  return std::optional(BackupMark{settings.text("server"), settings.flag("complete")});
}

Status save_backup_mark(Disk& disk, const std::string& directory, const BackupMark& mark) {
  const std::string text = "# A backup of a Skymoor server, made by 'skymoord backup'.\nserver = \"" + mark.server + "\"\ncomplete = " +
                           (mark.complete ? "true" : "false") + "\n";
  return write_file_durably(disk, directory + kFile, as_bytes(text), 0600);
}

}  // namespace skymoor::server
