// What the journal's tests share: a directory, a clock, a small filesystem over the store, and a reference to compare
// it with.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "fuse/journal/metadata_store.h"
#include "shared/model/change.h"
#include "shared/model/manifest.h"

namespace skymoor::client {

class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// Copies a state directory as it is at this moment: what a kill of its process would leave.
void copy_files(const std::string& from, const std::string& to);

/// Moves on by itself, so that times differ.
class FakeClock final : public Clock {
 public:
  Timestamp now() const override { return Timestamp{std::chrono::nanoseconds{++ticks_}}; }
  Instant monotonic() const override { return Instant{std::chrono::nanoseconds{ticks_}}; }

 private:
  mutable std::atomic<std::int64_t> ticks_{1'700'000'000'000'000'000};
};

StoreIdentity test_identity();
MetadataStore::Options quiet_options(const std::string& directory);  ///< nothing happens in the background

/// A visible tree as plain maps: what the store should say.
struct Reference {
  struct File {
    InodeRow row;
    std::map<std::string, Bytes> xattrs;
    ContentRow content;
  };
  std::map<InodeId, File> inodes;
  std::map<std::pair<InodeId, std::string>, DentryRow> dentries;

  Reference();
  /// Everything in words; places in readdir and bookkeeping are left out.
  std::string dump() const;
};

/// The same of a store: read through its front door, from the root.
std::string dump(MetadataStore& store);
/// The confirmed tree of the objects that `reference` names and of those in `store`.
std::string row_text(const InodeRow& row);

/// Operations as the filesystem room makes them, on a store and on a reference alike. Each answers the commit's status;
/// the reference follows only when it went well.
class Tree {
 public:
  Tree() = default;  ///< `use` comes before anything else
  explicit Tree(MetadataStore& store) : store_(&store) {}
  void use(MetadataStore& store) { store_ = &store; }
  MetadataStore& store() { return *store_; }

  Status make_root();
  Result<InodeId> create(InodeId directory, const std::string& name, FileType type = FileType::kFile);
  Status unlink(InodeId directory, const std::string& name, bool keep_orphan = false);
  Status link(InodeId inode, InodeId directory, const std::string& name);
  Status rename(InodeId from, const std::string& name, InodeId to, const std::string& new_name);
  Status chmod(InodeId inode, std::uint32_t mode);
  Status write(InodeId inode, Extent extent);
  Status truncate(InodeId inode, std::uint64_t size);
  Status set_xattr(InodeId inode, const std::string& name, const std::string& value);
  Status remove_xattr(InodeId inode, const std::string& name);
  Status put_manifest(InodeId inode, const Manifest& manifest);

  Reference reference;
  Reference after_failure;   ///< what the reference would be had the last failed operation gone through

 private:
  InodeRow row(InodeId id) { return reference.inodes.at(id).row; }
  Status run(Intent intent, const std::function<void(Change&, Reference&)>& body);
  MetadataStore* store_ = nullptr;
};

Bytes text_manifest(std::uint64_t size, std::initializer_list<int> blocks);  ///< chunks of equal length
Bytes operator""_bytes(const char* text, std::size_t size);

}  // namespace skymoor::client
