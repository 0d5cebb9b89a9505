// `skymoord admin ...`: works on the database directly, also while the server runs.
#include <cstdio>
#include <ctime>

#include <nlohmann/json.hpp>

#include "backend-server/app/commands.h"
#include "backend-server/app/identity.h"
#include "backend-server/app/server_settings.h"
#include "backend-server/app/settings_source.h"
#include "backend-server/metadata_store/metadata_store.h"
#include "shared/base/file.h"

namespace skymoor::server {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kPage = 500;

std::string date_of(Timestamp time) {
  std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

Result<std::unique_ptr<MetadataStore>> open_store(const Settings& settings) {
  std::string directory = data_directory_of(settings);
  std::string file = directory + "/metadata.db";
  PosixDisk disk;
  TRY(require_server_data(disk, directory, "metadata.db"));
  return open_sqlite_metadata_store({.file = file, .readers = 1, .cache_kib = 1024});
}

/// Calls `each` for every user, in order of name.
template <typename Each>
Status for_each_user(const ReadTables& tables, Each each) {
  std::string after;
  for (;;) {
    auto page = TRY(tables.accounts.list_users(after, kPage));
    for (const UserRow& user : page) TRY(each(user));
    if (page.size() < kPage) return {};
    after = page.back().name;
  }
}

Result<Json> list_users(MetadataStore& store) {
  return read_from(store, [](const ReadTables& tables) -> Result<Json> {
    Json list = Json::array();
    Status walked = for_each_user(tables, [&](const UserRow& user) -> Status {
      auto devices = TRY(tables.accounts.list_devices(user.id));
      auto volumes = TRY(tables.volumes.list_memberships(user.id));
      list.push_back({{"name", user.name},
                      {"id", user.id.hex()},
                      {"admin", user.admin},
                      {"disabled", user.disabled},
                      {"devices", devices.size()},
                      {"volumes", volumes.size()},
                      {"created", date_of(user.created)}});
      return {};
    });
    if (!walked.ok()) return std::move(walked).error();
    return list;
  });
}

Result<Json> list_volumes(MetadataStore& store) {
  return read_from(store, [](const ReadTables& tables) -> Result<Json> {
    Json list = Json::array();
    Status walked = for_each_user(tables, [&](const UserRow& user) -> Status {
      for (const MembershipRow& row : TRY(tables.volumes.list_memberships(user.id))) {
        if (row.member.role != protocol::Role::kOwner) continue;
        const VolumeRow& volume = row.volume;
        list.push_back({{"id", volume.id.hex()},
                        {"owner", user.name},
                        {"kind", volume.kind == protocol::VolumeKind::kManaged ? "managed" : "private"},
                        {"files", volume.state.inodes},
                        {"content_bytes", volume.state.content_bytes},
                        {"stored_bytes", volume.stored_bytes},
                        {"quota_bytes", volume.quota_bytes},
                        {"commits", volume.state.head.value},
                        {"created", date_of(volume.created)}});
      }
      return {};
    });
    if (!walked.ok()) return std::move(walked).error();
    return list;
  });
}

Status change_user(MetadataStore& store, const std::string& given_name, AdminAction action) {
  std::string name = TRY(protocol::normalize_user_name(given_name));
  return store.update([&](Tables& tables) -> Status {
    auto user = TRY(tables.accounts.find_user_by_name(name));
    if (!user) return Error(Code::kNotFound, "no user is called '" + name + "'");
    switch (action) {
      case AdminAction::kGrantAdmin: return tables.accounts.set_admin(user->id, true);
      case AdminAction::kRevokeAdmin: return tables.accounts.set_admin(user->id, false);
      case AdminAction::kDisable: return tables.accounts.set_disabled(user->id, true);
      case AdminAction::kEnable: return tables.accounts.set_disabled(user->id, false);
      default: return Error(Code::kInternal, "not a change of a user");
    }
  });
}

std::string cell_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

/// A table with a head, its columns as wide as their longest cell.
void print_table(const Json& rows, const std::vector<std::string>& columns) {
  std::vector<std::size_t> widths;
  for (const std::string& column : columns) {
    std::size_t width = column.size();
    for (const Json& row : rows) width = std::max(width, cell_of(row.at(column)).size());
    widths.push_back(width);
  }
  auto print_row = [&](auto text_of) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      std::string cell = text_of(columns[i]);
      line += (i == 0 ? "" : "  ") + cell + std::string(widths[i] - cell.size(), ' ');
    }
    line.resize(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
  };
  print_row([](const std::string& column) { return column; });
  for (const Json& row : rows) print_row([&](const std::string& column) { return cell_of(row.at(column)); });
}

Status list(MetadataStore& store, const AdminArguments& arguments) {
  bool users = arguments.action == AdminAction::kListUsers;
  Json rows = users ? TRY(list_users(store)) : TRY(list_volumes(store));
  if (arguments.json) {
    std::printf("%s\n", Json{{users ? "users" : "volumes", rows}}.dump(2).c_str());
  } else if (users) {
    print_table(rows, {"name", "admin", "disabled", "devices", "volumes", "created"});
  } else {
    print_table(rows, {"id", "owner", "kind", "files", "content_bytes", "stored_bytes", "commits", "created"});
  }
  return {};
}

Status run(const AdminArguments& arguments) {
  Settings settings = TRY(read_settings(arguments.settings));
  auto store = TRY(open_store(settings));
  if (arguments.action == AdminAction::kListUsers || arguments.action == AdminAction::kListVolumes)
    return list(*store, arguments);
  TRY(change_user(*store, arguments.user, arguments.action));
  if (arguments.json) std::printf("%s\n", Json{{"user", arguments.user}, {"done", true}}.dump().c_str());
  return {};
}

}  // namespace

ExitCode run_admin(const AdminArguments& arguments) {
  Status done = run(arguments);
  return done.ok() ? ExitCode::kOk : report(done.error());
}

}  // namespace skymoor::server
