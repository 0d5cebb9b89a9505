// Services: opens and owns all services of one server over one data directory.
#pragma once
#include <memory>

#include "backend-server/services/accounts.h"
#include "backend-server/services/blocks.h"
#include "backend-server/services/changes.h"
#include "backend-server/services/history.h"
#include "backend-server/services/key_service.h"
#include "backend-server/services/namespace.h"
#include "backend-server/services/sessions.h"
#include "backend-server/services/volumes.h"

namespace skymoor::server {

/// What the services stand on; all of it outlives them.
struct ServiceDependencies {
  Disk& disk;
  BlockStore& blocks;
  PartialBlocks& partial;
  const Clock& clock;
  Random& random;
};

struct ServiceOptions {
  std::string directory;                   ///< metadata.db, keyservice.secret, keyservice.db, token.secret; must exist
  AccountService::Options accounts;
  KeyService::Limits login_limits;
  std::uint64_t default_quota_bytes = 0;
  std::function<std::uint64_t()> free_bytes;  ///< empty: the free bytes of `directory`'s disk
  std::chrono::seconds access_lifetime{600};
  std::chrono::seconds refresh_lifetime{std::chrono::hours(24 * 90)};
  std::chrono::seconds refresh_retry{0};   ///< see SessionService::Options
};

/// The services of one server. Thread-safe as each service is. Destruction ends them; whoever calls them must have
/// stopped before.
class Services {
 public:
  /// Errors: Corrupt, Io, NotFound (the key service's secret is gone though there are users).
  static Result<std::unique_ptr<Services>> open(ServiceOptions options, ServiceDependencies dependencies);
  ~Services();

  MetadataStore& store() { return *store_; }
  AccountService& accounts() { return *accounts_; }
  SessionService& sessions() { return *sessions_; }
  KeyService& keys() { return *keys_; }
  VolumeService& volumes() { return *volumes_; }
  NamespaceService& names() { return *namespace_; }
  ChangesService& changes() { return *changes_; }
  HistoryService& history() { return *history_; }
  BlockService& blocks() { return *blocks_; }

 private:
  Services();
  // In order of dependency: destroyed from the last to the first.
  std::unique_ptr<MetadataStore> store_;
  std::unique_ptr<KeyService> keys_;
  std::unique_ptr<SessionService> sessions_;
  std::unique_ptr<AccountService> accounts_;
  std::unique_ptr<VolumeService> volumes_;
  std::unique_ptr<ChangesService> changes_;
  std::unique_ptr<NamespaceService> namespace_;
  std::unique_ptr<HistoryService> history_;
  std::unique_ptr<BlockService> blocks_;
};

}  // namespace skymoor::server
