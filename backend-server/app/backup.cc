// `skymoord backup`
#include "backend-server/app/backup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <set>

#include <nlohmann/json.hpp>

#include "backend-server/app/commands.h"
#include "backend-server/app/backup_mark.h"
#include "backend-server/app/data_hold.h"
#include "backend-server/app/identity.h"
#include "backend-server/app/server_settings.h"
#include "backend-server/app/settings_source.h"
#include "backend-server/metadata_store/metadata_copy.h"
#include "shared/base/copy_bytes.h"
#include "shared/base/log.h"
#include "shared/base/settings.h"
#include "shared/crypto/hash.h"

namespace skymoor::server {
namespace {

constexpr std::size_t kMaxSmallFile = 64u << 20;
constexpr std::size_t kMaxHint = 1u << 30;
constexpr std::size_t kComparedAtEnd = 64 << 10, kComparedAtOnce = 1 << 20;

bool is_segment(const std::string& name) { return name.ends_with(".segment"); }
bool is_hint(const std::string& name) { return name.ends_with(".hint"); }

/// What stands beside metadata.db and blocks, and is copied whole; temporary files and locks are not.
bool is_small_file(const std::string& name, bool without_login_secrets) {
  if (name.starts_with("keyservice.secret")) return !without_login_secrets;
  for (const char* one : {"server.toml", "tls.crt", "tls.key", "token.secret", "blocks.expected"})
    if (name == one) return true;
  return false;
}

Status copy_whole(Disk& disk, const std::string& from, const std::string& to) {
  const Bytes content = TRY(read_file(disk, from, kMaxSmallFile));
  return write_file_durably(disk, to, content, 0600);
}

class Backup {
 public:
  Backup(Disk& disk, const BackupRequest& request, const std::function<void(std::uint64_t, std::uint64_t)>& progress)
      : disk_(disk), request_(request), progress_(progress) {}

  Result<BackupReport> run() {
    TRY(require_server_data(disk_, request_.from, "metadata.db"));
    TRY(check_place());
    const DataHold hold = TRY(DataHold::take(request_.from));
    mark_.server = TRY(identity());
    const bool again = TRY(check_target());
    TRY(disk_.make_directories(to("blocks"), 0700));
    const UniqueFd target = TRY(lock_directory(request_.to));
    if (!again) TRY(save_backup_mark(disk_, request_.to, mark_));
    // None of it in its place yet: what is there still fits together.
    TRY(copy_database("metadata.db"));
    if (!request_.without_login_secrets) TRY(copy_database("keyservice.db"));
    TRY(copy_blocks());
    mark_.complete = false;
    TRY(save_backup_mark(disk_, request_.to, mark_));
    TRY(put_in_place());
    for (const std::string& name : TRY(disk_.list(request_.from)))
      if (is_small_file(name, request_.without_login_secrets)) TRY(copy_whole(disk_, from(name), to(name)));
    mark_.complete = true;
    TRY(save_backup_mark(disk_, request_.to, mark_));
    TRY(remove_stale());
    return report_;
  }

 private:
  std::string from(const std::string& name) const { return request_.from + "/" + name; }
  std::string to(const std::string& name) const { return request_.to + "/" + name; }

  /// Neither holds the other.
  Status check_place() {
    std::error_code failed;
    const auto source = std::filesystem::weakly_canonical(request_.from, failed), target = std::filesystem::weakly_canonical(request_.to, failed);
    const std::string inner = target.string() + "/", outer = source.string() + "/";
    if (!inner.starts_with(outer) && !outer.starts_with(inner)) return {};
    return Error(Code::kInvalidArgument, "a backup of " + request_.from + " cannot be kept in " + request_.to + ": give another --to");
  }

  /// A secret of the server's that it never changes.
  Result<std::string> identity() {
    const Bytes secret = TRY(read_file(disk_, from("token.secret"), kMaxSmallFile));
    return crypto::sha256(secret).hex().substr(0, 32);
  }

  /// Whether there is a backup of this server already. Nothing else may be there.
  Result<bool> check_target() {
    if (!disk_.exists(request_.to)) return false;
    const auto found = TRY(load_backup_mark(disk_, request_.to));
    if (found && found->server != mark_.server)
      return Error(Code::kInvalidArgument, request_.to + " holds a backup of another server: give another --to");
    const auto names = TRY(disk_.list(request_.to));
    if (!found && !names.empty())
      return Error(Code::kInvalidArgument, request_.to + " holds something that is no backup of a server: give another --to");
    return found.has_value();
  }

  Status copy_database(const std::string& name) {
    if (!disk_.exists(from(name))) return {};
    const std::string copy = to(name + ".new");
    if (disk_.exists(copy)) TRY(disk_.unlink(copy));
    return copy_metadata(from(name), copy);
  }

  /// Segments are deleted by nobody meanwhile.
  Status copy_blocks() {
    if (!disk_.exists(from("blocks"))) return {};
    // A hint of now covers what its segment has now, which may have more by the time that it is copied.
    for (const std::string& name : TRY(disk_.list(from("blocks"))))
      if (is_hint(name)) {
        Bytes hint = TRY(read_file(disk_, from("blocks/" + name), kMaxHint));
        hints_.emplace_back(name, std::move(hint));
      }
    std::uint64_t total = 0;
    for (const std::string& name : TRY(disk_.list(from("blocks"))))
      if (is_segment(name)) {
        segments_.insert(name);
        const auto segment = TRY(disk_.open(from("blocks/" + name), {.read_only = true}));
        total += TRY(segment->size());
      }
    for (const std::string& name : segments_) {
      TRY(copy_segment("blocks/" + name));
      progress_(report_.copied_bytes + report_.kept_bytes, total);
    }
    report_.segments = segments_.size();
    return disk_.sync_directory(to("blocks"));
  }

  /// What is there is what the source has, as long as nobody has written to either since; a segment that was continued from an older
  /// state, on whichever side, differs somewhere.
  Status copy_segment(const std::string& name) {
    auto source = TRY(disk_.open(from(name), {.read_only = true}));
    const std::uint64_t size = TRY(source->size());
    std::uint64_t have = 0;
    if (disk_.exists(to(name))) {
      auto copy = TRY(disk_.open(to(name), {}));
      have = TRY(copy->size());
      const std::uint64_t compared = have == size ? std::min<std::uint64_t>(have, kComparedAtEnd) : have;
      const bool same = have <= size && TRY(same_bytes(*source, *copy, 0, std::min<std::uint64_t>(have, kComparedAtEnd))) &&
                        TRY(same_bytes(*source, *copy, have - compared, have));
      if (same && have == size) report_.kept_bytes += have;
      if (same && have == size) return {};
      if (same) return append(*source, *copy, have, size);   // what is there is not touched
    }
    const std::string whole = to(name + ".copy");
    if (disk_.exists(whole)) TRY(disk_.unlink(whole));
    auto copy = TRY(disk_.open(whole, {.create = true, .exclusive = true}));
    TRY(append(*source, *copy, 0, size));
    replaced_.push_back(name);
    return {};
  }

  Status append(File& source, File& copy, std::uint64_t have, std::uint64_t size) {
    report_.kept_bytes += have;
    report_.copied_bytes += TRY(copy_bytes(source, have, copy, have, size - have));
    return copy.sync();
  }

  static Result<bool> same_bytes(File& one, File& other, std::uint64_t begin, std::uint64_t end) {
    Bytes a, b;
    while (begin < end) {
      const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(kComparedAtOnce, end - begin));
      a.resize(step), b.resize(step);
      a.resize(TRY(one.read_at(begin, a)));
      b.resize(TRY(other.read_at(begin, b)));
      if (a != b || a.empty()) return false;
      begin += a.size();
    }
    return true;
  }

  Status put_in_place() {
    for (const std::string& name : replaced_) TRY(disk_.rename(to(name + ".copy"), to(name)));
    for (const auto& [name, bytes] : hints_) TRY(write_file_durably(disk_, to("blocks/" + name), bytes, 0600));
    TRY(disk_.sync_directory(to("blocks")));
    for (const char* name : {"keyservice.db", "metadata.db"}) {
      if (!disk_.exists(to(std::string(name) + ".new"))) continue;
      // A server, or a check, that was tried on the last backup left these.
      for (const char* end : {"-wal", "-shm"})
        if (disk_.exists(to(std::string(name) + end))) TRY(disk_.unlink(to(std::string(name) + end)));
      TRY(disk_.rename(to(std::string(name) + ".new"), to(name)));
    }
    if (request_.without_login_secrets)
      for (const std::string& name : TRY(disk_.list(request_.to)))
        if (name.starts_with("keyservice.")) TRY(disk_.unlink(to(name)));
    return disk_.sync_directory(request_.to);
  }

  /// Only now: the backup before named blocks in them.
  Status remove_stale() {
    for (const std::string& name : TRY(disk_.list(to("blocks")))) {
      const bool stale_segment = is_segment(name) && !segments_.contains(name);
      const bool stale_hint = is_hint(name) && std::none_of(hints_.begin(), hints_.end(), [&](const auto& hint) { return hint.first == name; });
      if (!stale_segment && !stale_hint && !name.ends_with(".copy")) continue;
      TRY(disk_.unlink(to("blocks/" + name)));
      report_.removed_segments += stale_segment;
    }
    return disk_.sync_directory(to("blocks"));
  }

  Disk& disk_;
  const BackupRequest& request_;
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  BackupMark mark_;
  std::set<std::string> segments_;
  std::vector<std::string> replaced_;
  std::vector<std::pair<std::string, Bytes>> hints_;
  BackupReport report_;
};

}  // namespace

Result<BackupReport> back_up(Disk& disk, const BackupRequest& request, const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  return Backup(disk, request, progress).run();
}

ExitCode run_backup(const BackupArguments& arguments) {
  (void)configure_log({.level = "warn"});
  ::umask(077);   // SQLite makes files of its own
  auto settings = read_settings(arguments.settings);
  if (!settings.ok()) return report(settings.error());
  PosixDisk disk;
  const bool shown = ::isatty(STDERR_FILENO) == 1;
  auto show = [&](std::uint64_t done, std::uint64_t total) {
    if (shown) std::fprintf(stderr, "\r\x1b[K%s of %s", format_bytes(done).c_str(), format_bytes(total).c_str());
  };
  const BackupRequest request{data_directory_of(*settings), arguments.to, arguments.without_login_secrets};
  auto done = back_up(disk, request, show);
  if (shown) std::fputs("\r\x1b[K", stderr);
  if (!done.ok()) return report(done.error());
  if (arguments.json)
    std::printf("%s\n", nlohmann::json{{"ok", true}, {"to", request.to}, {"copied_bytes", done->copied_bytes}, {"kept_bytes", done->kept_bytes},
                                       {"segments", done->segments}, {"removed_segments", done->removed_segments}}.dump().c_str());
  else
    std::printf("%s is a backup now: %s of blocks copied, %s were there already.\n", request.to.c_str(),
                format_bytes(done->copied_bytes).c_str(), format_bytes(done->kept_bytes).c_str());
  return ExitCode::kOk;
}

}  // namespace skymoor::server
