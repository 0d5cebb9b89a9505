#include "fuse/app/mount/mount_status.h"

#include <sys/wait.h>

#include <ctime>

#include "shared/base/settings.h"
#include "shared/protocol/json_fields.h"
#include "skymoor_version.h"

namespace skymoor::client {
namespace {

using protocol::Json;

constexpr std::size_t kMaxTransfers = 100;
constexpr std::chrono::seconds kSilence{8};   // the server says something every 4 s

Json time_or_null(const std::optional<Timestamp>& time) { return time ? Json(format_time(*time)) : Json(); }

std::int64_t seconds_between(Timestamp from, Timestamp to) {
  return std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(to - from).count());
}

unsigned percent(std::uint64_t done, std::uint64_t total) {
  return total == 0 ? 100 : static_cast<unsigned>(std::min(100.0, 100.0 * static_cast<double>(done) / static_cast<double>(total)));
}

Json transfers_json(const std::vector<TransferProgress>& transfers) {
  Json list = Json::array();
  for (const TransferProgress& t : transfers) {
    if (list.size() == kMaxTransfers) break;
    list.push_back({{"direction", t.upload ? "upload" : "download"},
                    {"path", t.path},
                    {"inode", t.inode.value},
                    {"bytes_done", t.bytes_done},
                    {"bytes_total", t.bytes_total},
                    {"percent", percent(t.bytes_done, t.bytes_total)}});
  }
  return list;
}

/// What came of the server having been put back from a backup; null when it never was.
Json restored_json(const RestoreReport& report) {
  if (!report.epoch) return {};
  Json missing = Json::array();
  for (const RestoreReport::Missing& one : report.missing) missing.push_back(one.path);
  return {{"epoch", report.epoch.value},
          {"time", format_time(report.time)},
          {"given_back", report.given_back},
          {"missing", std::move(missing)}};
}

std::string age(std::int64_t seconds) { return seconds < 1 ? "under 1 s" : format_duration_ms(seconds * 1000); }

std::string server_line(const Json& mount) {
  std::string line = mount.value("stopped", false) ? "stopped" : mount.value("online", false) ? "online" : "offline";
  if (mount.at("since").is_string()) line += " since " + mount.at("since").get<std::string>();
  if (const auto silent = mount.find("silent_s"); silent != mount.end() && silent->is_number() && mount.value("online", false))
    line += ", but nothing has come from it for " + age(silent->get<std::int64_t>()) + ": waiting for an answer";
  if (mount.at("offline_reason").is_string()) line += ": " + mount.at("offline_reason").get<std::string>();
  if (const auto why = mount.find("waits_for"); why != mount.end() && why->is_string())
    line += "; sending and receiving wait: " + why->get<std::string>();
  return line;
}

std::string unsent_line(const Json& pending) {
  if (pending.at("records").get<std::uint64_t>() == 0) return "nothing: the server has everything";
  std::string line = format_count(pending.at("records"), "change", "changes") + ", " + format_count(pending.at("files"), "file", "files") +
                     ", " + format_bytes(pending.at("bytes").get<std::uint64_t>());
  if (pending.at("oldest_age_s").is_number())
    line += ", the oldest " + age(pending.at("oldest_age_s")) + " old";
  return line;
}

std::string cache_line(const Json& cache) {
  return format_bytes(cache.at("clean_bytes")) + " of " + format_bytes(cache.at("limit_bytes")) + " (" +
         format_bytes(cache.at("dirty_bytes")) + " unsent on top)" +
         (cache.contains("notice") && cache.at("notice").is_string() ? "; " + cache.at("notice").get<std::string>() : "");
}

std::string restored_lines(const Json& restored) {
  constexpr std::size_t kShown = 10;
  if (!restored.is_object()) return {};
  std::string text = "\n  restored  the server was put back from a backup (seen " + restored.at("time").get<std::string>() +
                     "): " + format_count(restored.at("given_back"), "object was", "objects were") + " given back to it";
  const Json& missing = restored.at("missing");
  if (missing.empty()) return text;
  text += "; " + format_count(missing.size(), "content is", "contents are") + " neither there nor here:";
  for (std::size_t i = 0; i < std::min(kShown, missing.size()); ++i) text += "\n            " + missing[i].get<std::string>();
  if (missing.size() > kShown) text += "\n            and " + std::to_string(missing.size() - kShown) + " more ('skymoor status --json')";
  return text;
}

Json stuck_json(const std::vector<Watchdog::Stuck>& threads) {
  Json list = Json::array();
  for (const Watchdog::Stuck& one : threads)
    list.push_back({{"thread", one.thread}, {"seconds", one.time.count()}, {"stack", one.stack}});
  return list;
}

std::string stuck_lines(const Json& threads) {
  constexpr std::size_t kShown = 300;   // of a stack; the log has all
  std::string text;
  for (const Json& one : threads)
    text += "\n  stuck     thread " + one.at("thread").get<std::string>() + " for " +
            age(one.at("seconds").get<std::int64_t>()) + ": " + one.at("stack").get<std::string>().substr(0, kShown);
  return text;
}

Json supervisor_json(const MountFacts& facts) {
  if (facts.supervisor == 0) return Json();
  Json why;
  if (facts.last_crash)
    why = WIFSIGNALED(facts.last_crash_status) ? "signal " + std::to_string(WTERMSIG(facts.last_crash_status))
                                               : "exit code " + std::to_string(WEXITSTATUS(facts.last_crash_status));
  return {{"pid", facts.supervisor},
          {"running", facts.supervised()},
          {"restarts", facts.crashes},
          {"upgrades", facts.upgrades},
          {"last_restart", time_or_null(facts.last_crash)},
          {"last_restart_reason", why}};
}

/// Nothing for a mount that went on undisturbed.
std::string restarts_line(const Json& mount) {
  const auto supervisor = mount.find("supervisor");
  if (supervisor == mount.end() || !supervisor->is_object()) return {};
  std::string line;
  if (const auto times = supervisor->at("restarts").get<std::uint64_t>(); times > 0)
    line += "\n  restarted " + format_count(times, "time", "times") + ", last at " +
            supervisor->at("last_restart").get<std::string>() + " after " +
            supervisor->at("last_restart_reason").get<std::string>();
  if (!supervisor->at("running").get<bool>()) line += "\n  warning   its supervisor is gone: nobody takes over when it dies";
  return line;
}

std::string passthrough_words(const Json& mount) {
  if (!mount.value("passthrough", false)) {
    const auto off = mount.find("passthrough_off");
    return off != mount.end() && off->is_string() ? "no passthrough: " + off->get<std::string>() : "no passthrough";
  }
  const auto refused = mount.value("passthrough_refused", std::uint64_t{0});
  if (refused == 0) return "passthrough";
  const auto why = mount.find("passthrough_refusal");
  return "passthrough refused for " + format_count(refused, "open", "opens") +
         (why != mount.end() && why->is_string() ? " (" + why->get<std::string>() + ")" : "");
}

std::string name_of(const Json& transfer) {
  const std::string path = transfer.at("path").get<std::string>();
  return path.empty() ? "(inode " + std::to_string(transfer.at("inode").get<std::uint64_t>()) + ")" : path;
}

std::string describe(const Json& mount) {
  std::string text = mount.at("volume").get<std::string>() + " on " + mount.at("mount_point").get<std::string>();
  if (mount.value("read_only", false)) text += " (read-only)";
  if (!mount.value("attached", true))
    text += "\n  detached  programs still use it: it ends with the last of them, at once with 'skymoor umount --force " +
            mount.at("mount_point").get<std::string>() + "'";
  text += "\n  server    " + server_line(mount);
  text += "\n  unsent    " + unsent_line(mount.at("pending"));
  for (const Json& t : mount.at("transfers"))
    text += "\n  " + std::string(t.at("direction") == "upload" ? "sending   " : "getting   ") +
            std::to_string(t.at("percent").get<unsigned>()) + " % of " + format_bytes(t.at("bytes_total")) + "  " +
            name_of(t);
  text += "\n  sent      " + format_bytes(mount.at("uploaded").at("bytes")) + ", received " +
          format_bytes(mount.at("downloaded").at("bytes")) + " since it was mounted";
  text += "\n  cache     " + cache_line(mount.at("cache"));
  if (const auto conflicts = mount.at("conflicts").get<std::uint64_t>(); conflicts > 0)
    text += "\n  conflicts " + format_count(conflicts, "copy was", "copies were") + " kept since it was mounted: 'skymoor conflicts' lists those that are still there";
  text += stuck_lines(mount.value("stuck", Json::array()));
  text += restored_lines(mount.value("restored", Json()));
  return text + "\n  process   " + std::to_string(mount.at("pid").get<int>()) + ", " + passthrough_words(mount) + ", log " +
         mount.at("log_file").get<std::string>() + restarts_line(mount);
}

}  // namespace

std::string format_time(Timestamp time) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts = {};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string encode_mount_status(const MountFacts& facts, const SyncStatus& sync, const BackingStore::Usage& cache,
                                const PassthroughUse& passthrough, Timestamp now) {
  const bool up = sync.online && !sync.stopped;
  const std::string reason = sync.reason.empty() ? "not connected yet" : sync.reason;
  Json oldest_age;
  if (sync.pending.oldest) oldest_age = seconds_between(*sync.pending.oldest, now);
  const Json json = {
      {"volume", facts.volume},
      {"volume_id", facts.volume_id.hex()},
      {"mount_point", facts.mount_point},
      {"server", facts.server},
      {"pid", facts.pid},
      {"supervisor", supervisor_json(facts)},
      {"version", SKYMOOR_VERSION},
      {"stuck", stuck_json(facts.stuck())},
      {"started", format_time(facts.started)},
      {"read_only", facts.read_only},
      {"attached", facts.attached()},
      {"passthrough", passthrough.active},
      {"passthrough_off", facts.passthrough_off.empty() ? Json() : Json(facts.passthrough_off)},
      {"passthrough_files", passthrough.files},
      {"passthrough_refused", passthrough.refused},
      {"passthrough_refusal", passthrough.last_refusal.empty() ? Json() : Json(passthrough.last_refusal)},
      {"log_file", facts.log_file},
      {"state_directory", facts.state_directory},
      {"online", up},
      {"stopped", sync.stopped},
      {"since", time_or_null(sync.since)},
      {"silent_s", sync.silence && *sync.silence >= kSilence ? Json(sync.silence->count()) : Json()},
      {"offline_reason", up ? Json() : Json(reason)},
      {"waits_for", up && !sync.reason.empty() ? Json(sync.reason) : Json()},
      {"pending",
       {{"records", sync.pending.records},
        {"files", sync.pending.files},
        {"bytes", sync.pending.bytes},
        {"oldest", time_or_null(sync.pending.oldest)},
        {"oldest_age_s", oldest_age}}},
      {"position",
       {{"epoch", sync.position.epoch.value}, {"sequence", sync.position.cursor.value}, {"head", sync.head.value}}},
      {"transfers", transfers_json(sync.transfers)},
      {"uploaded", {{"bytes", sync.uploaded_bytes}, {"blocks", sync.uploaded_blocks}}},
      {"downloaded", {{"bytes", sync.downloaded_bytes}, {"blocks", sync.downloaded_blocks}}},
      {"deduplicated_blocks", sync.deduplicated_blocks},
      {"conflicts", sync.conflicts},
      {"restored", restored_json(sync.restored)},
      {"cache",
       {{"clean_bytes", cache.clean_bytes}, {"dirty_bytes", cache.dirty_bytes}, {"limit_bytes", cache.clean_limit_bytes},
        {"notice", facts.cache_notice.empty() ? Json() : Json(facts.cache_notice)}}}};
  return protocol::dump(json);
}

std::string describe_passthrough(std::string_view json) {
  const auto mount = protocol::parse_object(as_bytes(json));
  try {
    if (mount.ok()) return passthrough_words(*mount);
  } catch (const Json::exception&) {   // of another version
  }
  return "passthrough unknown";
}

Result<std::string> describe_mount_status(std::string_view text) {
  const auto json = TRY(protocol::parse_object(as_bytes(text)));
  try {
    return describe(json);
  } catch (const Json::exception&) {
    return Error(Code::kInvalidArgument, "the mount answered in a form that this version does not know");
  }
}

}  // namespace skymoor::client
