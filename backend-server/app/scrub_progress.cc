#include "backend-server/app/scrub_progress.h"

#include "shared/base/settings.h"

namespace skymoor::server {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr Setting kTable[] = {
    {"done", SettingType::kInteger, "0", 0, kMost, "when the last whole pass ended, in ms since 1970; 0: never"},
    {"after-block", SettingType::kText, "", 0, 0, "the pass under way has come to here"},
    {"after-volume", SettingType::kText, "", 0, 0, "the same block's volume"},
    {"blocks", SettingType::kInteger, "0", 0, kMost, "re-read in the pass under way"},
    {"bytes", SettingType::kInteger, "0", 0, kMost, "re-read in the pass under way"},
    {"damaged", SettingType::kInteger, "0", 0, kMost, "found unreadable in the pass under way"},
};

std::int64_t milliseconds_of(Timestamp time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

Result<ScrubProgress> load_scrub_progress(Disk& disk, const std::string& path) {
  ScrubProgress progress;
  if (!disk.exists(path)) return progress;
  Settings settings(kTable);
  TRY(settings.load_toml(path));
  if (const std::int64_t done = settings.number("done")) progress.done = Timestamp(std::chrono::milliseconds(done));
  if (const std::string block = settings.text("after-block"); !block.empty()) {
    const VolumeId volume = TRY(VolumeId::from_hex(settings.text("after-volume")));
    progress.after = BlockName{volume, TRY(BlockId::from_hex(block))};
  }
  progress.blocks = static_cast<std::uint64_t>(settings.number("blocks"));
  progress.bytes = static_cast<std::uint64_t>(settings.number("bytes"));
  progress.damaged = static_cast<std::uint64_t>(settings.number("damaged"));
  return progress;
}

Status save_scrub_progress(Disk& disk, const std::string& path, const ScrubProgress& progress) {
  std::string text = "# How far the server has come with re-reading its blocks. Without this file a pass begins.\n";
  auto number = [&](const char* name, std::int64_t value) { text += std::string(name) + " = " + std::to_string(value) + "\n"; };
  number("done", progress.done ? milliseconds_of(*progress.done) : 0);
  if (progress.after) {
    text += "after-block = \"" + progress.after->block.hex() + "\"\n";
    text += "after-volume = \"" + progress.after->volume.hex() + "\"\n";
  }
  number("blocks", static_cast<std::int64_t>(progress.blocks));
  number("bytes", static_cast<std::int64_t>(progress.bytes));
  number("damaged", static_cast<std::int64_t>(progress.damaged));
  return write_file_durably(disk, path, as_bytes(text), 0600);
}

}  // namespace skymoor::server
