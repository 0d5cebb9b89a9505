#include "backend-server/services/services.h"

#include "backend-server/metadata_store/metadata_store.h"

namespace skymoor::server {

Services::Services() = default;
Services::~Services() = default;

Result<std::unique_ptr<Services>> Services::open(ServiceOptions options, ServiceDependencies d) {
  std::unique_ptr<Services> all(new Services());
  const std::string at = options.directory + "/";
  all->store_ = TRY(open_sqlite_metadata_store({.file = at + "metadata.db"}));
  auto users = read_from(*all->store_, [](const ReadTables& tables) { return tables.accounts.count_users(); });
  if (!users.ok()) return std::move(users).error();

  KeyService::Options keys;
  keys.secret_file = at + "keyservice.secret";
  keys.counter_file = at + "keyservice.db";
  keys.create = *users == 0;
  keys.limits = options.login_limits;
  all->keys_ = TRY(KeyService::open(std::move(keys), d.disk, d.clock, d.random));

  SessionService::Options sessions;
  sessions.secret_file = at + "token.secret";
  sessions.issuer = options.accounts.server_name;
  sessions.access_lifetime = options.access_lifetime;
  sessions.refresh_lifetime = options.refresh_lifetime;
  sessions.refresh_retry = options.refresh_retry;
  all->sessions_ = TRY(SessionService::open(std::move(sessions), *all->store_, d.disk, d.clock, d.random));
  all->accounts_ = std::make_unique<AccountService>(options.accounts, *all->store_, *all->keys_, *all->sessions_,
                                                    d.clock, d.random);

  VolumeService::Options volumes;
  volumes.default_quota_bytes = options.default_quota_bytes;
  volumes.free_bytes = options.free_bytes;
  if (!volumes.free_bytes)
    volumes.free_bytes = [&disk = d.disk, directory = options.directory] {
      return disk.free_bytes(directory).value_or(0);
    };
  all->volumes_ = std::make_unique<VolumeService>(std::move(volumes), *all->store_, d.clock);
  all->changes_ = std::make_unique<ChangesService>(*all->store_);
  all->namespace_ = std::make_unique<NamespaceService>(*all->store_, *all->changes_, d.blocks, d.clock);
  all->history_ = std::make_unique<HistoryService>(*all->store_);
  all->blocks_ = std::make_unique<BlockService>(*all->store_, d.blocks, d.partial, d.clock);
  return all;
}

}  // namespace skymoor::server
