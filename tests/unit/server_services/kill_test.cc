// The server killed at every step of its disk, its database's too, while devices upload and commit: what it had answered
// is there, whole, and a repeated commit has the answer that it had. SKYMOOR_KILL_EVERY: every so many steps (1).
#include <atomic>

#include "backend-server/block_store/local/segment_block_store.h"
#include "backend-server/metadata_store/metadata_check.h"
#include "tests/support/seeds.h"
#include "tests/support/sqlite_on_disk.h"
#include "tests/support/tally.h"
#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

class KillTest : public CommitTest {
 protected:
  struct Answered {
    SignedCommit commit;
    protocol::CommitReply reply;
  };
  struct Killed {
    std::string path, where;
    std::vector<Answered> answered;
    std::map<BlockId, Bytes> stored;
  };
  static SegmentBlockStore::Options store_options(const std::string& directory) {
    return {.directory = directory + "/blocks", .segment_bytes = 60000, .reserve_bytes = 0};
  }
  static Result<std::unique_ptr<Services>> services_over(const std::string& directory, Disk& disk, BlockStore& blocks,
                                                         KillTest& test) {
    ServiceOptions options;
    options.directory = directory;
    options.accounts = test.accounts_;
    options.free_bytes = [] { return std::uint64_t{1} << 40; };
    return Services::open(options, {disk, blocks, test.partial_, test.clock_, test.random_});
  }
  /// The fixture's server anew, its blocks and its database on a disk whose steps `hook_` is told of.
  void open_on_disk() {
    services_.reset();   // its connections came to the files another way
    database_ = std::make_unique<testing::SqliteOnDisk>(disk_, directory_.path());
    expect_ok(disk_.make_directories(directory_ / "blocks", 0700));
    auto blocks = SegmentBlockStore::open(disk_, random_, store_options(directory_.path()));
    ASSERT_TRUE(blocks.ok()) << blocks.error().to_string();
    blocks_ = *std::move(blocks);
    auto opened = services_over(directory_.path(), disk_, *blocks_, *this);
    ASSERT_TRUE(opened.ok());
    services_ = *std::move(opened);
    writer_ = std::make_unique<TestWriter>(*services_, copy_of(*owner_), volume_);
  }
  void TearDown() override {
    hook_ = nullptr;
    services_.reset();   // before the disk that it is on
  }
  /// What a kill -9 in this moment leaves.
  void keep(const FaultPoint& point) {
    const std::string to = copies_ / std::to_string(kills_.size());
    std::filesystem::copy(directory_.path(), to, std::filesystem::copy_options::recursive);
    kills_.push_back({to, std::string(point.name), answered_, stored_});
  }
  void check(const Killed& killed) {
    PosixDisk disk;
    auto blocks = SegmentBlockStore::open(disk, random_, store_options(killed.path));
    ASSERT_TRUE(blocks.ok()) << killed.where << ": " << blocks.error().to_string();
    {
      auto services = services_over(killed.path, disk, **blocks, *this);
      ASSERT_TRUE(services.ok()) << killed.where << ": " << services.error().to_string();
      for (const auto& [id, bytes] : killed.stored) {
        auto found = (*blocks)->get(volume_, id);
        ASSERT_TRUE(found.ok() && *found == bytes) << killed.where << ": a block that was answered for";
      }
      for (const Answered& one : killed.answered) {
        auto again = (*services)->names().commit(writer_->caller(), volume_, one.commit);
        ASSERT_TRUE(again.ok()) << killed.where << ": " << again.error().to_string();
        ASSERT_TRUE(again->sequence == one.reply.sequence && again->hash == one.reply.hash) << killed.where;
      }
      auto info = (*services)->volumes().info(writer_->caller(), volume_);
      ASSERT_TRUE(info.ok() && info->head.value >= killed.answered.size()) << killed.where;
    }
    auto checking = open_sqlite_metadata_check(killed.path + "/metadata.db");
    ASSERT_TRUE(checking.ok());
    const MetadataReport report = value_of((*checking)->run(false));
    EXPECT_TRUE(report.findings.empty()) << killed.where << ": " << report.findings.front().what;
    std::filesystem::remove_all(killed.path);
  }
  Bytes some_bytes(std::size_t size) {
    Bytes bytes(size);
    random_.fill(bytes);
    return bytes;
  }

  std::function<int(const FaultPoint&)> hook_;
  PosixDisk disk_{[this](const FaultPoint& point) { return hook_ ? hook_(point) : 0; }};
  std::unique_ptr<testing::SqliteOnDisk> database_;
  std::unique_ptr<SegmentBlockStore> blocks_;
  testing::TempDir copies_;
  std::vector<Killed> kills_;
  std::vector<Answered> answered_;
  std::map<BlockId, Bytes> stored_;
};

TEST_F(KillTest, AtEveryStepWhatWasAnsweredIsThere) {
  const auto every = testing::number_from("SKYMOOR_KILL_EVERY", 1);
  std::uint64_t steps = 0;
  bool armed = false;
  hook_ = [&](const FaultPoint& point) {
    if (armed && point.name != "file.read" && steps++ % every == 0) keep(point);
    return 0;
  };
  ASSERT_NO_FATAL_FAILURE(open_on_disk());
  armed = true;
  std::vector<BlockId> ids;
  for (std::uint64_t round = 0; round < 12; ++round) {
    block::PackWriter pack;
    std::map<BlockId, Bytes> sent;
    for (int i = 0; i < 3; ++i) {
      Bytes bytes = some_bytes(3000);
      const BlockId id{crypto::sha256(bytes).value};
      pack.add_block(id, bytes);
      sent[id] = bytes;
    }
    value_of(services_->blocks().upload_pack(owner_->caller, volume_, pack.take()));
    stored_.insert(sent.begin(), sent.end());
    ids.clear();
    for (const auto& [id, bytes] : sent) ids.push_back(id);
    const InodeId file = writer_->next_inode();
    const std::string name = "f" + std::to_string(round);
    const SignedCommit sealed = writer_->sign(
        writer_->plan({new_inode(file), link(kRootInode, name, file), put(file, 9000, ids, round + 1)}));
    const auto reply = value_of(writer_->send(sealed));
    answered_.push_back({sealed, reply});
    writer_->pull();
    keep({"between", {}});
    if (round % 4 == 3) value_of(blocks_->maintain());
  }
  armed = false;
  EXPECT_GT(kills_.size(), 36 / every) << "there were no steps to be killed at";
  services_.reset();
  for (const Killed& killed : kills_) {
    check(killed);
    if (HasFatalFailure()) return;
  }
  std::cout << kills_.size() << " kills\n";
  skymoor::testing::tally("server killed", kills_.size());
}

/// A commit that fails with the disk may have been taken or not; sent again it is answered, and what is answered stays.
TEST_F(KillTest, AfterAStepOfTheDatabaseFailedTheSameCommitIsTaken) {
  std::atomic<bool> armed{false}, fired{false};
  std::atomic<std::uint64_t> steps{0}, target{0};
  std::atomic<int> error{EIO};
  hook_ = [&](const FaultPoint& point) {
    if (!armed || point.name == "file.read" || point.detail.find("metadata.db") == std::string_view::npos) return 0;
    if (steps++ != target) return 0;
    fired = true;
    return error.load();
  };
  ASSERT_NO_FATAL_FAILURE(open_on_disk());
  int faults = 0, refused = 0;
  for (int code : {EIO, ENOSPC}) {
    error = code;
    for (std::uint64_t n = 0;; ++n) {
      const InodeId file = writer_->next_inode();
      const SignedCommit sealed = writer_->sign(
          writer_->plan({new_inode(file), link(kRootInode, std::to_string(code) + "-" + std::to_string(n), file)}));
      target = n;
      steps = 0;
      fired = false;
      armed = true;
      auto reply = writer_->send(sealed);
      armed = false;
      faults += fired;
      if (!reply.ok()) {
        ASSERT_TRUE(fired) << reply.error().to_string();
        EXPECT_TRUE(reply.error().code() == Code::kIo || reply.error().code() == Code::kNoSpace) << reply.error().to_string();
        ++refused;
        reply = writer_->send(sealed);
      }
      ASSERT_TRUE(reply.ok()) << "step " << n << ": " << reply.error().to_string();
      answered_.push_back({sealed, *reply});
      writer_->pull();
      if (!fired) break;
    }
  }
  EXPECT_GT(refused, 4);
  keep({"the end", {}});
  services_.reset();
  check(kills_.front());
  skymoor::testing::tally("disk step failed", faults);
  std::cout << faults << " faults, " << refused << " refused\n";
}

}  // namespace
}  // namespace skymoor::server
