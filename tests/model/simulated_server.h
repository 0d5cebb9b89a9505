// SimulatedServer: one volume's real server below HTTP (services, SQLite metadata, block segments) on a disk in memory,
// which can end at any step of the disk and is opened anew from what is left.
#pragma once
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "backend-server/block_store/local/segment_block_store.h"
#include "backend-server/block_store/partial_blocks.h"
#include "backend-server/services/services.h"
#include "shared/crypto/volume_cipher.h"
#include "tests/support/fake_volume_remote.h"
#include "tests/support/power_loss_disk.h"
#include "tests/support/sqlite_on_disk.h"

namespace skymoor::client::model {

/// For one thread. What a request answers is remembered, and looked for after every opening. Throws std::runtime_error where
/// the server fails without a fault that would excuse it.
class SimulatedServer {
 public:
  /// `directory` holds nothing but the block store's lock.
  SimulatedServer(std::string directory, const crypto::VolumeKey& volume, const Clock& clock, std::uint64_t seed);
  ~SimulatedServer();

  /// The device may call and commit from now on, and has the prefix.
  void add_device(const protocol::DevicePublic& device, WriterId writer);
  server::Caller caller_of(const DeviceId& device) const;

  enum class End { kKill, kPowerCut, kOrderly };
  /// The server ends at the disk's change number `steps` from now, in the midst of a request; at once when that is 0 or the
  /// end an orderly one.
  void end_after(End how, int steps);
  void disarm();
  bool up() const { return services_ != nullptr; }
  /// Opens it from what was left, which may end once more on the way, and looks whether all that it said is there.
  void start();
  /// What a server does by itself now and then.
  void keep_house();

  /// One request; errors go through the messages' codec. Errors: its own; Offline (not up, or it ended within).
  using Handle = std::function<Result<Bytes>(server::Services&)>;
  Result<Bytes> serve(const Handle& handle);

  // What answers have said.
  void said(const protocol::CommitReply& reply) { said(reply.sequence, reply.hash); }
  void said(const FeedPage& page);
  void said(const std::vector<protocol::BlockStatus>& states);

  /// Throws what is not as it was said, or not as `skymoord fsck` wants it.
  void verify();
  /// The same, and that every content that was ever committed can be had from the history, with these bytes where known.
  void verify_history(const std::map<OpId, std::string>& known);

  std::vector<FeedEntry> feed();
  std::uint64_t head();
  /// Contents of files that have a name.
  std::set<OpId> live_contents();
  /// The whole tree in the clear.
  std::map<std::string, FakeVolumeServer::Plain> tree();

  struct Counts {
    int kills = 0, power_cuts = 0, within_requests = 0, within_openings = 0, restarts = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  void said(Sequence sequence, const Hash256& hash);
  void arm(End how, int steps);
  void open();
  void close();
  void go_down();
  void make_volume();
  void verify_feed();
  void verify_blocks();
  void verify_rows();
  std::string contents_of(InodeId inode, OpId content, ByteView sealed_manifest);
  void walk(InodeId directory, const std::string& path, std::map<std::string, FakeVolumeServer::Plain>& out);
  std::vector<ListedEntry> entries(InodeId directory);

  // Constant after construction.
  const std::string directory_;
  const crypto::VolumeKey& key_;
  const crypto::VolumeCipher cipher_;
  const Clock& clock_;
  const std::unique_ptr<Random> random_;
  std::mt19937_64 dice_;
  std::unique_ptr<skymoor::testing::PowerLossDisk> disk_, left_;   ///< left: what an end left, until the server is down
  End how_ = End::kKill;                                           ///< of what is left
  // The server, in the order in which it is built.
  std::unique_ptr<skymoor::testing::SqliteOnDisk> sqlite_;
  std::unique_ptr<server::SegmentBlockStore> blocks_;
  std::unique_ptr<server::PartialBlocks> partial_;
  std::unique_ptr<server::Services> services_;
  // What was said.
  std::map<Sequence, Hash256> commits_;
  std::set<BlockId> stored_;
  DeviceId reader_;                                                ///< some device, for questions of the test's own
  Counts counts_;
};

}  // namespace skymoor::client::model
