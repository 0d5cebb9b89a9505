// NameFinder: names behind the tokens of removed entries.
#pragma once
#include <memory>
#include <unordered_map>

#include "fuse/journal/metadata_store.h"
#include "shared/crypto/volume_cipher.h"

namespace skymoor::client {

/// A removal names its slot by token only. A token stands for one name for ever, so that any tree that still has the
/// name will do: the page at hand, the visible tree, the confirmed one. Used for one page of the feed, by the sync thread.
class NameFinder {
 public:
  NameFinder(MetadataStore& store, const crypto::VolumeCipher& cipher) : store_(store), cipher_(cipher) {}

  void learn(InodeId directory, const NameToken& token, const std::string& name) { learnt_[{directory, token}] = name; }
  /// The name, empty when nothing here has it: then the directory is not known here either. Errors: Io (also of a damaged local
  /// state).
  Result<std::string> find(InodeId directory, const NameToken& token, InodeId inode);
  /// The same for an xattr of an inode. What the page at hand adds is learnt too: the confirmed tree may be one from before.
  void learn_xattr(InodeId inode, const NameToken& token, const std::string& name) { learnt_xattrs_[{inode, token}] = name; }
  Result<std::string> find_xattr(InodeId inode, const NameToken& token);

 private:
  Result<std::string> look(InodeId directory, const NameToken& token, InodeId inode);
  Result<std::string> look_for_xattr(InodeId inode, const NameToken& token);

  struct Key {
    InodeId directory;
    NameToken token;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const { return std::hash<NameToken>{}(key.token) ^ key.directory.value; }
  };
  MetadataStore& store_;
  const crypto::VolumeCipher& cipher_;
  std::unordered_map<Key, std::string, KeyHash> learnt_, learnt_xattrs_;
  std::unique_ptr<MetadataStore::Confirmed> confirmed_;
};

}  // namespace skymoor::client
