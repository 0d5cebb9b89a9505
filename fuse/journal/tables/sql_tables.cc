#include "fuse/journal/tables/sql_tables.h"

#include "fuse/journal/tables/row_codec.h"

namespace skymoor::client {
namespace {

using sqlite::Statement;

ByteView inode_body(ByteWriter& room, const InodeRow& row) {
  room.clear();
  encode_inode_body(room, row);
  return room.view();
}

Result<InodeRow> inode_from_body(InodeId id, Lsn changed, ByteView body) {
  ByteReader in(body);
  InodeRow row = decode_inode_body(in);
  row.id = id;
  row.changed = changed;
  TRY(in.finish("inode " + std::to_string(id.value) + " in metadata.db"));
  return row;
}

OpId op_from(const Statement& s, int column) {
  return OpId{WriterId{static_cast<std::uint32_t>(s.u64(column))}, s.u64(column + 1)};
}

FileType type_from(const Statement& s, int column) { return static_cast<FileType>(s.i64(column)); }

}  // namespace

Result<InodeRow> inode_from(const Statement& s, int column) {
  return inode_from_body(InodeId{s.u64(column)}, Lsn{s.u64(column + 1)}, s.blob(column + 2));
}

Result<std::unique_ptr<SqlTables>> SqlTables::open(std::unique_ptr<sqlite::Database> db) {
  std::unique_ptr<SqlTables> tables(new SqlTables(std::move(db)));
  TRY(tables->prepare());
  return tables;
}

// ---- inodes ----

Result<std::optional<InodeRow>> SqlTables::inode(InodeId id) {
  ResetOnExit reset(inode_.get);
  if (!TRY(inode_.get.bind(1, id.value).step())) return std::optional<InodeRow>{};
  return std::optional<InodeRow>(TRY(inode_from(inode_.get, 0)));
}

Status SqlTables::put_inode(const InodeRow& row) {
  return inode_.put.bind(1, row.id.value).bind(2, row.links).bind(3, row.changed.value).bind_blob(4, inode_body(body_, row))
      .run();
}

Result<bool> SqlTables::add_inode(const InodeRow& row) {
  TRY(inode_.add.bind(1, row.id.value).bind(2, row.links).bind(3, row.changed.value).bind_blob(4, inode_body(body_, row))
          .run());
  return db_->changed_rows() > 0;
}

Status SqlTables::erase_inode(InodeId id) { return inode_.erase.bind(1, id.value).run(); }

Result<std::optional<BaseRow<InodeRow>>> SqlTables::base_inode(InodeId id) {
  Statement& s = inode_.get_base;
  ResetOnExit reset(s);
  if (!TRY(s.bind(1, id.value).step())) return std::optional<BaseRow<InodeRow>>{};
  BaseRow<InodeRow> base;
  base.changed = Lsn{s.u64(1)};
  if (s.i64(0)) base.row = TRY(inode_from_body(id, Lsn{}, s.blob(2)));
  return std::optional<BaseRow<InodeRow>>(std::move(base));
}

Status SqlTables::put_base_inode(InodeId id, const BaseRow<InodeRow>& base) {
  return inode_.put_base.bind(1, id.value).bind(2, base.row ? 1 : 0).bind(3, base.changed.value)
      .bind_blob(4, base.row ? inode_body(body_, *base.row) : ByteView{}).run();
}

Status SqlTables::erase_base_inode(InodeId id) { return inode_.erase_base.bind(1, id.value).run(); }

Result<bool> SqlTables::capture_inode(InodeId id, Lsn acknowledged, Lsn changed) {
  TRY(inode_.capture.bind(1, id.value).bind(2, acknowledged.value).bind(3, changed.value).run());
  if (db_->changed_rows() > 0) return true;
  TRY(inode_.touch.bind(1, id.value).bind(2, changed.value).run());
  return db_->changed_rows() > 0;
}

// ---- dentries ----

Result<std::optional<DentryRow>> SqlTables::dentry(InodeId directory, std::string_view name) {
  Statement& s = dentry_.get;
  ResetOnExit reset(s);
  if (!TRY(s.bind(1, directory.value).bind_blob(2, as_bytes(name)).step())) return std::optional<DentryRow>{};
  return std::optional<DentryRow>(
      DentryRow{directory, std::string(name), InodeId{s.u64(0)}, type_from(s, 1), s.u64(2), Lsn{s.u64(3)}});
}

Status SqlTables::put_dentry(const DentryRow& row) {
  return dentry_.put.bind(1, row.directory.value).bind_blob(2, as_bytes(row.name)).bind(3, row.inode.value)
      .bind(4, static_cast<int>(row.type)).bind(5, row.cookie).bind(6, row.changed.value).run();
}

Result<bool> SqlTables::add_dentry(const DentryRow& row) {
  TRY(dentry_.add.bind(1, row.directory.value).bind_blob(2, as_bytes(row.name)).bind(3, row.inode.value)
          .bind(4, static_cast<int>(row.type)).bind(5, row.cookie).bind(6, row.changed.value).run());
  return db_->changed_rows() > 0;
}

Status SqlTables::erase_dentry(InodeId directory, std::string_view name) {
  return dentry_.erase.bind(1, directory.value).bind_blob(2, as_bytes(name)).run();
}

Result<std::optional<BaseRow<DentryRow>>> SqlTables::base_dentry(InodeId directory, std::string_view name) {
  Statement& s = dentry_.get_base;
  ResetOnExit reset(s);
  if (!TRY(s.bind(1, directory.value).bind_blob(2, as_bytes(name)).step()))
    return std::optional<BaseRow<DentryRow>>{};
  BaseRow<DentryRow> base;
  base.changed = Lsn{s.u64(4)};
  if (s.i64(0)) base.row = DentryRow{directory, std::string(name), InodeId{s.u64(1)}, type_from(s, 2), s.u64(3), Lsn{}};
  return std::optional<BaseRow<DentryRow>>(std::move(base));
}

Status SqlTables::put_base_dentry(InodeId directory, std::string_view name, const BaseRow<DentryRow>& base) {
  DentryRow none;
  const DentryRow& row = base.row ? *base.row : none;
  return dentry_.put_base.bind(1, directory.value).bind_blob(2, as_bytes(name)).bind(3, base.row ? 1 : 0)
      .bind(4, row.inode.value).bind(5, static_cast<int>(row.type)).bind(6, row.cookie).bind(7, base.changed.value)
      .run();
}

Status SqlTables::erase_base_dentry(InodeId directory, std::string_view name) {
  return dentry_.erase_base.bind(1, directory.value).bind_blob(2, as_bytes(name)).run();
}

Result<bool> SqlTables::capture_dentry(InodeId directory, std::string_view name, Lsn acknowledged, Lsn changed) {
  TRY(dentry_.capture.bind(1, directory.value).bind_blob(2, as_bytes(name)).bind(3, acknowledged.value)
          .bind(4, changed.value).run());
  if (db_->changed_rows() > 0) return true;
  TRY(dentry_.touch.bind(1, directory.value).bind_blob(2, as_bytes(name)).bind(3, changed.value).run());
  return db_->changed_rows() > 0;
}

Result<std::vector<DentryRow>> SqlTables::links(InodeId inode) {
  ResetOnExit reset(links_);
  links_.bind(1, inode.value);
  std::vector<DentryRow> rows;
  while (TRY(links_.step()))
    rows.push_back({InodeId{links_.u64(0)}, std::string(as_text(links_.blob(1))), inode, type_from(links_, 2),
                    links_.u64(3), Lsn{links_.u64(4)}});
  return rows;
}

Status SqlTables::entries(InodeId directory, std::uint64_t after, bool with_inodes, const VisitEntry& visit) {
  Statement& s = with_inodes ? entries_with_inodes_ : entries_;
  ResetOnExit reset(s);
  s.bind(1, directory.value).bind(2, after);
  while (TRY(s.step())) {
    DentryRow row{directory,   std::string(as_text(s.blob(0))), InodeId{s.u64(1)}, type_from(s, 2), s.u64(3),
                  Lsn{s.u64(4)}};
    std::optional<InodeRow> inode;
    if (with_inodes && !s.is_null(6)) inode = TRY(inode_from(s, 5));
    if (!visit(std::move(row), std::move(inode))) return {};
  }
  return {};
}

// ---- extended attributes ----

Result<std::optional<XattrRow>> SqlTables::xattr(InodeId inode, std::string_view name) {
  Statement& s = xattr_.get;
  ResetOnExit reset(s);
  if (!TRY(s.bind(1, inode.value).bind_blob(2, as_bytes(name)).step())) return std::optional<XattrRow>{};
  return std::optional<XattrRow>(XattrRow{to_bytes(s.blob(0)), Lsn{s.u64(1)}});
}

Result<std::vector<std::string>> SqlTables::xattr_names(InodeId inode) {
  ResetOnExit reset(xattr_names_);
  xattr_names_.bind(1, inode.value);
  std::vector<std::string> names;
  while (TRY(xattr_names_.step())) names.emplace_back(as_text(xattr_names_.blob(0)));
  return names;
}

Status SqlTables::put_xattr(InodeId inode, std::string_view name, const XattrRow& row) {
  return xattr_.put.bind(1, inode.value).bind_blob(2, as_bytes(name)).bind_blob(3, row.value)
      .bind(4, row.changed.value).run();
}

Status SqlTables::erase_xattr(InodeId inode, std::string_view name) {
  return xattr_.erase.bind(1, inode.value).bind_blob(2, as_bytes(name)).run();
}

Result<std::optional<BaseRow<XattrRow>>> SqlTables::base_xattr(InodeId inode, std::string_view name) {
  Statement& s = xattr_.get_base;
  ResetOnExit reset(s);
  if (!TRY(s.bind(1, inode.value).bind_blob(2, as_bytes(name)).step())) return std::optional<BaseRow<XattrRow>>{};
  BaseRow<XattrRow> base;
  base.changed = Lsn{s.u64(2)};
  if (s.i64(0)) base.row = XattrRow{to_bytes(s.blob(1)), Lsn{}};
  return std::optional<BaseRow<XattrRow>>(std::move(base));
}

Status SqlTables::put_base_xattr(InodeId inode, std::string_view name, const BaseRow<XattrRow>& base) {
  return xattr_.put_base.bind(1, inode.value).bind_blob(2, as_bytes(name)).bind(3, base.row ? 1 : 0)
      .bind_blob(4, base.row ? ByteView(base.row->value) : ByteView{}).bind(5, base.changed.value).run();
}

Status SqlTables::erase_base_xattr(InodeId inode, std::string_view name) {
  return xattr_.erase_base.bind(1, inode.value).bind_blob(2, as_bytes(name)).run();
}

Result<bool> SqlTables::capture_xattr(InodeId inode, std::string_view name, Lsn acknowledged, Lsn changed) {
  TRY(xattr_.capture.bind(1, inode.value).bind_blob(2, as_bytes(name)).bind(3, acknowledged.value)
          .bind(4, changed.value).run());
  if (db_->changed_rows() > 0) return true;
  TRY(xattr_.touch.bind(1, inode.value).bind_blob(2, as_bytes(name)).bind(3, changed.value).run());
  return db_->changed_rows() > 0;
}

// ---- content ----

Result<std::optional<SqlTables::Extents>> SqlTables::extents(InodeId inode, std::uint64_t era) {
  Statement& s = extents_.get;
  ResetOnExit reset(s);
  if (!TRY(s.bind(1, inode.value).step())) return std::optional<Extents>{};
  Extents out;
  out.changed = Lsn{s.u64(1)};
  out.valid = TRY(decode_extents(s.blob(2)));
  out.dirty = TRY(decode_extents(s.blob(3)));
  if (s.u64(0) == era) return std::optional<Extents>(std::move(out));
  // Power was lost since: what was fetched may not have reached the disk. What is dirty exists nowhere else.
  ExtentSet kept;
  for (const Extent& range : out.valid.all())
    for (const Extent& part : out.dirty.present(range)) kept.add(part);
  out.valid = std::move(kept);
  return std::optional<Extents>(std::move(out));
}

Status SqlTables::put_extents(InodeId inode, const Extents& extents, std::uint64_t era) {
  return extents_.put.bind(1, inode.value).bind(2, era).bind(3, extents.dirty.total()).bind(4, extents.changed.value)
      .bind_blob(5, encode_extents(extents.valid)).bind_blob(6, encode_extents(extents.dirty)).run();
}

Status SqlTables::erase_extents(InodeId inode) { return extents_.erase.bind(1, inode.value).run(); }

namespace {

Result<std::optional<ManifestRow>> get_manifest(Statement& s, InodeId inode) {
  ResetOnExit reset(s);
  if (!TRY(s.bind(1, inode.value).step())) return std::optional<ManifestRow>{};
  return std::optional<ManifestRow>(ManifestRow{op_from(s, 0), to_bytes(s.blob(2))});
}

Status write_manifest(Statement& s, InodeId inode, const ManifestRow& row) {
  return s.bind(1, inode.value).bind(2, row.content.writer.value).bind(3, row.content.counter)
      .bind_blob(4, row.manifest).run();
}

}  // namespace

Result<std::optional<ManifestRow>> SqlTables::manifest(InodeId inode) { return get_manifest(manifest_.get, inode); }
Status SqlTables::put_manifest(InodeId inode, const ManifestRow& row) {
  return write_manifest(manifest_.put, inode, row);
}
Status SqlTables::erase_manifest(InodeId inode) { return manifest_.erase.bind(1, inode.value).run(); }
Result<std::optional<ManifestRow>> SqlTables::base_manifest(InodeId inode) {
  return get_manifest(base_manifest_.get, inode);
}
Status SqlTables::put_base_manifest(InodeId inode, const ManifestRow& row) {
  return write_manifest(base_manifest_.put, inode, row);
}
Status SqlTables::erase_base_manifest(InodeId inode) { return base_manifest_.erase.bind(1, inode.value).run(); }

// Unlike the others always leaves a base row: an empty one says that no content was confirmed.
Status SqlTables::capture_manifest(InodeId inode) {
  TRY(capture_manifest_.bind(1, inode.value).run());
  return {};
}

Result<SqlTables::Content> SqlTables::content(InodeId inode, std::uint64_t era) {
  Content out;
  out.row.inode = inode;
  if (auto extents = TRY(this->extents(inode, era))) {
    out.row.valid = std::move(extents->valid);
    out.row.dirty = std::move(extents->dirty);
    out.changed = extents->changed;
    out.exists = true;
  }
  if (auto manifest = TRY(this->manifest(inode))) {
    out.row.manifest_content = manifest->content;
    out.row.manifest = std::move(manifest->manifest);
    out.exists = true;
  }
  return out;
}

// ---- what there is at all ----

namespace {

Result<bool> any(Statement& s) {
  ResetOnExit reset(s);
  TRY(s.step());
  return s.i64(0) != 0;
}

}  // namespace

Result<bool> SqlTables::any_base() { return any(any_base_); }
Result<bool> SqlTables::any_xattr() { return any(any_xattr_); }

Result<std::unordered_set<std::string>> SqlTables::confirmed_names(InodeId directory, Lsn acknowledged) {
  Statement& s = confirmed_names_;
  ResetOnExit reset(s);
  s.bind(1, directory.value).bind(2, acknowledged.value);
  std::unordered_set<std::string> names;
  while (TRY(s.step())) names.emplace(as_text(s.blob(0)));
  return names;
}

// ---- tombstones and meta ----

Result<std::optional<Tombstone>> SqlTables::tombstone(InodeId id) {
  Statement& s = tombstone_.get;
  ResetOnExit reset(s);
  if (!TRY(s.bind(1, id.value).step())) return std::optional<Tombstone>{};
  Tombstone t;
  t.last = Lsn{s.u64(0)};
  t.row = TRY(inode_from_body(id, Lsn{}, s.blob(1)));
  t.place = {InodeId{s.u64(2)}, std::string(as_text(s.blob(3))), id, t.row.attributes.type, 0, Lsn{}};
  return std::optional<Tombstone>(std::move(t));
}

Status SqlTables::put_tombstone(const Tombstone& t) {
  return tombstone_.put.bind(1, t.row.id.value).bind(2, t.last.value).bind_blob(3, inode_body(body_, t.row))
      .bind(4, t.place.directory.value).bind_blob(5, as_bytes(t.place.name)).run();
}

Status SqlTables::erase_tombstone(InodeId id) { return tombstone_.erase.bind(1, id.value).run(); }
Status SqlTables::keep_tombstones_until(Lsn last) { return keep_tombstones_.bind(1, last.value).run(); }
Status SqlTables::erase_tombstones_up_to(Lsn acknowledged) { return erase_tombstones_.bind(1, acknowledged.value).run(); }

Result<std::optional<Bytes>> SqlTables::meta(std::string_view key) {
  ResetOnExit reset(get_meta_);
  if (!TRY(get_meta_.bind_text(1, key).step())) return std::optional<Bytes>{};
  return std::optional<Bytes>(to_bytes(get_meta_.blob(0)));
}

Status SqlTables::put_meta(std::string_view key, ByteView value) {
  return put_meta_.bind_text(1, key).bind_blob(2, value).run();
}

Result<std::uint64_t> SqlTables::meta_number(std::string_view key) {
  std::optional<Bytes> value = TRY(meta(key));
  if (!value) return std::uint64_t{0};
  ByteReader in(*value);
  std::uint64_t number = in.u64();
  TRY(in.finish("meta." + std::string(key) + " in metadata.db"));
  return number;
}

Status SqlTables::put_meta(std::string_view key, std::uint64_t value) {
  ByteWriter out;
  out.u64(value);
  return put_meta(key, ByteView(out.view()));
}

}  // namespace skymoor::client
