// FakeVolumeServer: a volume's server in memory, an arbiter by the rules of the real one; and FakeVolumeRemote, one
// device's line to it, which can be cut, lose answers, repeat requests and damage what travels.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "fuse/remote/volume_remote.h"
#include "shared/block/pack.h"
#include "shared/crypto/volume_cipher.h"

namespace skymoor::client {

/// Thread-safe. Observers run inside `commit`, after it was applied, with the server locked: they may read its state
/// through the const members only.
class FakeVolumeServer {
 public:
  explicit FakeVolumeServer(VolumeId volume);

  void add_device(const protocol::DevicePublic& device);
  struct Slot {
    InodeId inode;
    Bytes sealed_name;
    std::uint64_t changed = 0;
  };
  struct Inode {
    InodeRecord record;
    std::uint64_t checked = 0, children = 0;   ///< sequences of the last commit that changed links or content; entries
    std::set<std::pair<InodeId, NameToken>> names;
  };
  using SlotKey = std::pair<InodeId, NameToken>;
  struct State {
    std::map<SlotKey, Slot> slots;
    std::map<SlotKey, std::uint64_t> vacated;
    std::map<InodeId, Inode> inodes;
  };
  using Observer = std::function<void(const FakeVolumeServer&)>;
  void observe(Observer observer) { observer_ = std::move(observer); }

  /// The whole tree in the clear: path -> what is there. Opens names, manifests and blocks with the volume's key.
  struct Plain {
    InodeId inode;
    Attributes attributes;
    std::uint32_t links = 0;
    std::string target;
    std::string bytes;
    std::map<std::string, std::string> xattrs;
  };
  std::map<std::string, Plain> plain_tree(const crypto::VolumeCipher& cipher) const;

  // For tests that play a broken server.
  void set_epoch(Epoch epoch) { epoch_ = epoch; }
  void forget_newest(std::size_t commits);
  void damage_newest_entry();
  /// A backup: everything but the blocks (`blocks_too`: they as well), and putting it back.
  struct Backup;
  std::shared_ptr<const Backup> back_up() const;
  void put_back(const Backup& backup, bool blocks_too = false);
  Epoch epoch() const;
  /// Refuses to begin epochs, as a server that forks its devices would.
  void set_stubborn(bool stubborn) { stubborn_ = stubborn; }
  std::size_t commits() const;
  std::vector<FeedEntry> feed() const;
  std::set<OpId> live_contents() const;   ///< of files that have a name
  std::size_t blocks() const;
  std::uint64_t stored_bytes() const;
  void drop_blocks();

 private:
  friend class FakeVolumeRemote;
  Result<protocol::CommitReply> commit(const SignedCommit& commit);
  Status check_reads(const Commit& commit) const;
  Status apply(State& state, const Commit& commit, std::uint64_t sequence) const;
  Status apply_one(State& state, const Effect& effect, std::uint64_t sequence) const;
  bool under(const State& state, InodeId directory, InodeId ancestor) const;
  void walk(const crypto::VolumeCipher& cipher, InodeId directory, const std::string& path,
            std::map<std::string, Plain>& out) const;
  InodeRecord record_of(const Inode& inode, std::size_t manifest_bytes) const;

  const VolumeId volume_;
  mutable std::recursive_mutex mutex_;
  Epoch epoch_{1};
  std::atomic<bool> stubborn_{false};
  std::uint32_t next_writer_ = 1000;
  State state_;
  std::vector<FeedEntry> log_;
  std::map<OpId, std::pair<Hash256, protocol::CommitReply>> done_;
  std::map<BlockId, Bytes> blocks_;
  std::map<BlockId, std::map<std::uint16_t, Bytes>> partial_;
  std::vector<protocol::DevicePublic> devices_;
  Observer observer_;
  std::mutex listeners_mutex_;
  std::map<int, std::function<void(Sequence)>> listeners_;
  int next_listener_ = 0;
};

struct FakeVolumeServer::Backup {
  Epoch epoch{1};
  State state;
  std::vector<FeedEntry> log;
  std::map<OpId, std::pair<Hash256, protocol::CommitReply>> done;
  std::map<BlockId, Bytes> blocks;
};

class FakeVolumeRemote final : public VolumeRemote {
 public:
  explicit FakeVolumeRemote(FakeVolumeServer& server) : server_(server) {}

  Result<protocol::VolumeInfo> info(CallOptions) override;
  Result<std::vector<protocol::DevicePublic>> devices(CallOptions) override;
  Result<protocol::CommitReply> commit(const SignedCommit& commit, CallOptions) override;
  Result<FeedPage> changes(Epoch epoch, Sequence after, std::size_t max_bytes, CallOptions) override;
  Result<DirectoryPage> list_directory(InodeId directory, ByteView cursor, std::size_t limit, std::size_t manifest_bytes,
                                       CallOptions) override;
  Result<InodePage> inodes(const std::vector<InodeId>& ids, CallOptions) override;
  Result<InodePage> inodes_dead_too(const std::vector<InodeId>& ids, CallOptions) override;
  Result<protocol::VolumeInfo> begin_epoch(const protocol::BeginEpoch& statement, CallOptions) override;
  Result<WriterId> lease_writer(std::optional<WriterId> wanted, CallOptions) override;
  Result<std::vector<protocol::BlockStatus>> missing_blocks(const std::vector<BlockId>& ids, CallOptions) override;
  Result<std::vector<protocol::BlockStatus>> upload_pack(ByteView pack, CallOptions) override;
  Result<Bytes> fetch_pack(const std::vector<BlockId>& ids, CallOptions) override;
  std::unique_ptr<Subscription> subscribe(std::function<void(Sequence)> on_head,
                                          std::function<void(const Status&)> on_state) override;

  // Faults.
  void set_offline(bool offline);
  bool offline() const { return offline_; }
  std::atomic<int> lose_commit_answers{0};    ///< the commit is applied, and its answer lost
  std::atomic<int> lose_commits{0};           ///< the commit never arrives
  std::atomic<int> refuse_commits{0};         ///< answered with Conflict
  std::atomic<int> damage_uploads{0};         ///< packs in which a byte of a segment flips on the way
  std::atomic<int> damage_downloads{0};
  std::atomic<bool> repeat_commits{false};    ///< every commit arrives twice
  /// A hostile server: what it does to its answers before they leave. Empty ones do nothing.
  struct Tampering {
    std::function<void(FeedPage&)> feed;
    std::function<void(DirectoryPage&)> directory;
    std::function<void(InodePage&)> inodes;
    std::function<void(std::vector<protocol::DevicePublic>&)> devices;
    std::function<Bytes(const BlockId&, const std::map<BlockId, Bytes>&)> block;   ///< given in the place of a block
  };
  void tamper(Tampering tampering);
  // A network of the test's own. `carry` is asked before a question is: an error loses it. `carry_commit` gets a commit
  // and the means to deliver it, once, often, later or never.
  using Deliver = std::function<Result<protocol::CommitReply>(const SignedCommit&)>;
  std::function<Status(std::string_view call)> carry;
  std::function<Result<protocol::CommitReply>(const SignedCommit&, const Deliver&)> carry_commit;
  // What travelled.
  std::atomic<std::uint64_t> packs{0}, pack_bytes{0}, missing_calls{0}, fetches{0}, fetched_blocks{0};

 private:
  Status line(std::string_view call = {});
  static bool take_one(std::atomic<int>& count);
  Tampering tampering();

  FakeVolumeServer& server_;
  std::atomic<bool> offline_{false};
  std::mutex state_mutex_;
  std::function<void(const Status&)> on_state_;
  Tampering tampering_;
};

}  // namespace skymoor::client
