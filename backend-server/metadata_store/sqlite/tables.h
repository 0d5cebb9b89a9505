// The tables over one connection. Their SQL keeps to what SQLite and PostgreSQL share ($1, ON CONFLICT, RETURNING).
#pragma once
#include "backend-server/metadata_store/metadata_store.h"
#include "backend-server/metadata_store/sqlite/connection.h"

namespace skymoor::server {

class SqliteAccountTable final : public AccountTable {
 public:
  explicit SqliteAccountTable(Connection& connection) : connection_(connection) {}
  Result<std::optional<UserRow>> find_user(const UserId& id) const override;
  Result<std::optional<UserRow>> find_user_by_name(const std::string& name) const override;
  Result<std::vector<UserRow>> list_users(const std::string& after, std::size_t limit) const override;
  Result<std::uint64_t> count_users() const override;
  Status insert_user(const UserRow& user) override;
  Status set_admin(const UserId& id, bool admin) override;
  Status set_disabled(const UserId& id, bool disabled) override;
  Result<std::optional<DeviceRow>> find_device(const DeviceId& id) const override;
  Result<std::vector<DeviceRow>> list_devices(const UserId& user) const override;
  Status insert_device(const DeviceRow& device) override;
  Status touch_device(const DeviceId& id, const std::string& name, Timestamp last_seen) override;
  Status revoke_device(const DeviceId& id) override;

 private:
  Connection& connection_;
};

class SqliteSessionTable final : public SessionTable {
 public:
  explicit SqliteSessionTable(Connection& connection) : connection_(connection) {}
  Result<std::optional<SessionRow>> find_session(const std::string& id) const override;
  Status insert_session(const SessionRow& session) override;
  Status extend_session(const std::string& id, Timestamp expires) override;
  Status revoke_session(const std::string& id) override;
  Status revoke_sessions_of(const DeviceId& device) override;
  Status drop_expired(Timestamp before) override;
  Result<std::optional<RefreshTokenRow>> find_token(const Hash256& hash) const override;
  Status insert_token(const RefreshTokenRow& token) override;
  Status spend_token(const Hash256& hash, Timestamp now) override;
  Status drop_spent(const std::string& session, Timestamp before) override;

 private:
  Connection& connection_;
};

class SqliteVolumeTable final : public VolumeTable {
 public:
  explicit SqliteVolumeTable(Connection& connection) : connection_(connection) {}
  Result<std::optional<VolumeRow>> find(const VolumeId& id) const override;
  Result<std::optional<MembershipRow>> find_membership(const VolumeId& id, const UserId& user) const override;
  Result<std::vector<MembershipRow>> list_memberships(const UserId& user) const override;
  Result<VolumeNumber> insert(const VolumeRow& volume) override;
  Status set_state(VolumeNumber volume, const VolumeState& state) override;
  Status add_stored_bytes(VolumeNumber volume, std::int64_t bytes) override;
  Status set_quota(VolumeNumber volume, std::uint64_t bytes) override;
  Status set_epoch(VolumeNumber volume, Epoch epoch) override;
  Status insert_writer(VolumeNumber volume, const WriterRow& writer) override;
  Result<std::vector<MemberRow>> list_members(VolumeNumber volume) const override;
  Status put_member(VolumeNumber volume, const MemberRow& member) override;
  Status remove_member(VolumeNumber volume, const UserId& user) override;
  Result<std::optional<WriterRow>> find_writer(VolumeNumber volume, WriterId writer) const override;
  Result<WriterId> lease_writer(VolumeNumber volume, const UserId& user, const DeviceId& device,
                                Timestamp now) override;
  Result<std::vector<protocol::DevicePublic>> list_writing_devices(VolumeNumber volume) const override;

 private:
  Connection& connection_;
};

class SqliteNamespaceTable final : public NamespaceTable {
 public:
  explicit SqliteNamespaceTable(Connection& connection) : connection_(connection) {}
  Result<std::optional<InodeRow>> find_inode(VolumeNumber volume, InodeId inode) const override;
  Status insert_inode(VolumeNumber volume, const InodeRow& inode) override;
  Status update_inode(VolumeNumber volume, const InodeRow& inode) override;
  Result<std::optional<SlotRow>> find_slot(VolumeNumber volume, InodeId directory,
                                           const NameToken& token) const override;
  Result<Sequence> find_vacated(VolumeNumber volume, InodeId directory, const NameToken& token) const override;
  Status insert_slot(VolumeNumber volume, InodeId directory, const NameToken& token, const SlotRow& slot) override;
  Status remove_slot(VolumeNumber volume, InodeId directory, const NameToken& token, Sequence sequence) override;
  Status drop_vacated(VolumeNumber volume, Sequence up_to) override;
  Result<std::vector<NameToken>> list_tokens(VolumeNumber volume, InodeId directory, std::size_t limit) const override;
  Status visit_entries(VolumeNumber volume, InodeId directory, const NameToken& after, std::size_t limit,
                       const std::function<Result<bool>(EntryRow)>& visit) const override;
  Result<Bytes> find_manifest(VolumeNumber volume, InodeId inode, Sequence version) const override;
  Status insert_version(VolumeNumber volume, const VersionRow& version) override;
  Result<std::vector<VersionRow>> list_versions(VolumeNumber volume, InodeId inode) const override;
  Result<std::vector<VersionSummaryRow>> list_version_summaries(VolumeNumber volume, InodeId inode, Sequence before,
                                                                std::size_t limit) const override;
  Result<std::vector<SetXattr>> list_xattrs(VolumeNumber volume, InodeId inode) const override;
  Result<bool> has_xattr(VolumeNumber volume, InodeId inode, const NameToken& token) const override;
  Result<std::uint64_t> xattrs_bytes(VolumeNumber volume, InodeId inode) const override;
  Status put_xattr(VolumeNumber volume, const SetXattr& xattr, Sequence sequence) override;
  Result<std::optional<TrashRow>> find_trash(VolumeNumber volume, InodeId inode) const override;
  Result<std::vector<TrashRow>> list_trash(VolumeNumber volume, InodeId directory, const NameToken& token,
                                           const TrashCursor& after, std::size_t limit) const override;
  Status put_trash(VolumeNumber volume, const TrashRow& row) override;
  Status remove_trash(VolumeNumber volume, InodeId inode) override;

 private:
  Connection& connection_;
};

class SqliteChangeTable final : public ChangeTable {
 public:
  explicit SqliteChangeTable(Connection& connection) : connection_(connection) {}
  Result<std::optional<OperationRow>> find_operation(VolumeNumber volume, OpId op) const override;
  Result<Hash256> hash_at(VolumeNumber volume, Sequence sequence) const override;
  Status visit(VolumeNumber volume, Sequence after,
               const std::function<Result<bool>(FeedEntry)>& visit) const override;
  Status append(VolumeNumber volume, const ChangeRow& change) override;

 private:
  Connection& connection_;
};

class SqliteBlockTable final : public BlockTable {
 public:
  explicit SqliteBlockTable(Connection& connection) : connection_(connection) {}
  Result<std::optional<BlockRow>> find(VolumeNumber volume, const BlockId& id) const override;
  Result<bool> insert(VolumeNumber volume, const BlockRow& block) override;
  Status add_reference(VolumeNumber volume, const BlockId& id) override;

 private:
  Connection& connection_;
};

/// All of them over one connection, which they do not own.
struct SqliteTables {
  explicit SqliteTables(Connection& connection)
      : accounts(connection), sessions(connection), volumes(connection), names(connection), changes(connection),
        blocks(connection) {}
  ReadTables for_reading() const { return {accounts, sessions, volumes, names, changes, blocks}; }
  Tables for_update() { return {accounts, sessions, volumes, names, changes, blocks}; }

  SqliteAccountTable accounts;
  SqliteSessionTable sessions;
  SqliteVolumeTable volumes;
  SqliteNamespaceTable names;
  SqliteChangeTable changes;
  SqliteBlockTable blocks;
};

}  // namespace skymoor::server
