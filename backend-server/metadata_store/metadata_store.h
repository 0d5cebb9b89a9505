// MetadataStore: accounts, volumes, trees, feeds and block references behind one interface. The front door of this room.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include "backend-server/metadata_store/account_table.h"
#include "backend-server/metadata_store/block_table.h"
#include "backend-server/metadata_store/change_table.h"
#include "backend-server/metadata_store/namespace_table.h"
#include "backend-server/metadata_store/session_table.h"
#include "backend-server/metadata_store/volume_table.h"

namespace skymoor::server {

/// The tables as a read sees them: one snapshot. Const methods read, the others write.
struct ReadTables {
  const AccountTable& accounts;
  const SessionTable& sessions;
  const VolumeTable& volumes;
  const NamespaceTable& names;
  const ChangeTable& changes;
  const BlockTable& blocks;
};

/// The tables as an update sees them: the newest state, its own writes included.
struct Tables {
  AccountTable& accounts;
  SessionTable& sessions;
  VolumeTable& volumes;
  NamespaceTable& names;
  ChangeTable& changes;
  BlockTable& blocks;
};

/// Thread-safe. Holds rows and knows no rule. Failure: an update that fails leaves nothing behind; after an error of the
/// disk the store answers with errors until it is opened again, and what it acknowledged before is kept.
class MetadataStore {
 public:
  using Read = std::function<Status(const ReadTables&)>;
  using Update = std::function<Status(Tables&)>;

  virtual ~MetadataStore() = default;

  /// Runs `read` on one consistent snapshot; never waits for updates. Do not call the store inside it.
  /// Errors: the read's own; Io, Corrupt.
  virtual Status read(const Read& read) = 0;

  /// Runs `update` alone, on a thread of the store, and returns when it is durable. Updates that wait at the same time
  /// share one transaction and one fsync; one that fails is undone without touching the others. Do not call the store
  /// inside it, and do nothing slow there.
  /// Durability: on return the update survives kill -9 and power loss.
  /// Errors: the update's own; Busy (too many wait), NoSpace, Io, Corrupt.
  virtual Status update(const Update& update) = 0;
};

/// What `make` (ReadTables -> Result<T>) gives on one snapshot.
template <typename Make>
auto read_from(MetadataStore& store, Make&& make) -> std::invoke_result_t<Make, const ReadTables&> {
  std::optional<std::invoke_result_t<Make, const ReadTables&>> made;
  Status done = store.read([&](const ReadTables& tables) -> Status {
    made.emplace(make(tables));
    return made->ok() ? Status() : Status(made->error());
  });
  if (!done.ok()) return std::move(done).error();
  return *std::move(made);
}

/// What `make` (Tables -> Result<T>) gives in one update.
template <typename Make>
auto update_in(MetadataStore& store, Make&& make) -> std::invoke_result_t<Make, Tables&> {
  std::optional<std::invoke_result_t<Make, Tables&>> made;
  Status done = store.update([&](Tables& tables) -> Status {
    made.emplace(make(tables));
    return made->ok() ? Status() : Status(made->error());
  });
  if (!done.ok()) return std::move(done).error();
  return *std::move(made);
}

struct MetadataStoreOptions {
  std::string file;                 ///< metadata.db
  std::size_t readers = 4;          ///< reads at the same time
  std::size_t queue_limit = 1024;   ///< updates that may wait
  std::int64_t cache_kib = 32 * 1024;
};
/// The embedded store. Errors: Corrupt (damaged, or of a newer version), Io, NoSpace.
Result<std::unique_ptr<MetadataStore>> open_sqlite_metadata_store(const MetadataStoreOptions& options);

}  // namespace skymoor::server
