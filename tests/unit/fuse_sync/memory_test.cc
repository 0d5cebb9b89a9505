// Memory runs out while a device sends, takes in, lists and fetches: the round or the read fails, nothing hangs, and the next
// one gets everything where it belongs.
#include <unistd.h>

#include "shared/base/must_finish.h"
#include "tests/support/failing_memory.h"
#include "tests/support/seeds.h"
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

using skymoor::testing::FailingMemory;
using skymoor::testing::OtherMemory;

/// The server is another process, and has memory.
class ElsewhereRemote final : public VolumeRemote {
 public:
  explicit ElsewhereRemote(FakeVolumeServer& server) : remote_(server) {}
  Result<protocol::VolumeInfo> info(CallOptions o) override { return there([&] { return remote_.info(o); }); }
  Result<std::vector<protocol::DevicePublic>> devices(CallOptions o) override { return there([&] { return remote_.devices(o); }); }
  Result<protocol::CommitReply> commit(const SignedCommit& c, CallOptions o) override { return there([&] { return remote_.commit(c, o); }); }
  Result<FeedPage> changes(Epoch e, Sequence s, std::size_t m, CallOptions o) override {
    return there([&] { return remote_.changes(e, s, m, o); });
  }
  Result<DirectoryPage> list_directory(InodeId d, ByteView c, std::size_t l, std::size_t m, CallOptions o) override {
    return there([&] { return remote_.list_directory(d, c, l, m, o); });
  }
  Result<InodePage> inodes(const std::vector<InodeId>& i, CallOptions o) override { return there([&] { return remote_.inodes(i, o); }); }
  Result<InodePage> inodes_dead_too(const std::vector<InodeId>& i, CallOptions o) override {
    return there([&] { return remote_.inodes_dead_too(i, o); });
  }
  Result<protocol::VolumeInfo> begin_epoch(const protocol::BeginEpoch& b, CallOptions o) override {
    return there([&] { return remote_.begin_epoch(b, o); });
  }
  Result<WriterId> lease_writer(std::optional<WriterId> w, CallOptions o) override { return there([&] { return remote_.lease_writer(w, o); }); }
  Result<std::vector<protocol::BlockStatus>> missing_blocks(const std::vector<BlockId>& b, CallOptions o) override {
    return there([&] { return remote_.missing_blocks(b, o); });
  }
  Result<std::vector<protocol::BlockStatus>> upload_pack(ByteView p, CallOptions o) override {
    return there([&] { return remote_.upload_pack(p, o); });
  }
  Result<Bytes> fetch_pack(const std::vector<BlockId>& b, CallOptions o) override { return there([&] { return remote_.fetch_pack(b, o); }); }
  std::unique_ptr<Subscription> subscribe(std::function<void(Sequence)>, std::function<void(const Status&)>) override { return nullptr; }

 private:
  template <typename Call>
  static auto there(Call call) -> decltype(call()) {
    OtherMemory memory;
    return call();
  }
  FakeVolumeRemote remote_;
};

class SyncMemoryTest : public SyncEngineTest {
 protected:
  void SetUp() override {
    ::alarm(280);   // what hangs is no success
    ASSERT_TRUE(MustFinish::ready().ok());
  }
  std::unique_ptr<SyncDevice> make(const std::string& name, std::uint32_t writer) {
    volume_.server.add_device(SyncDevice::public_of(name, writer));
    return std::make_unique<SyncDevice>(volume_.key, std::make_unique<ElsewhereRemote>(volume_.server), name, writer,
                                        directory_ + "/" + name + std::to_string(writer), DeviceWorld{.stepped = true});
  }
  static void finish(SyncDevice& device) {
    for (int i = 0; i < 5 && device.engine().step().ok(); ++i)
      if (device.store().pending().records == 0) break;
    EXPECT_FALSE(device.engine().status().stopped) << device.engine().status().reason;
    EXPECT_EQ(device.store().pending().records, 0u);
  }
  /// Every allocation for a while, then some: a round makes thousands.
  static std::uint64_t after(std::uint64_t nth) { return nth + 1 + nth / 12; }
  void report(const char* what) {
    std::cout << what << ": " << fired_ << " allocations failed, " << refused_ << " calls said so\n";
    EXPECT_GT(fired_, 40u);
    EXPECT_GT(refused_, 40u);
  }
  /// `body` with the first allocation failing, alone and with all after it, and so on, until it answers that none did.
  void sweep(const std::function<bool(std::uint64_t round, std::uint64_t nth, bool for_good)>& body) {
    std::uint64_t round = 0;
    for (bool for_good : {false, true}) {
      std::uint64_t nth = 1;
      for (bool more = true; more; nth = after(nth), ++round) {
        SCOPED_TRACE("allocation " + std::to_string(nth) + (for_good ? " and all after it" : ""));
        ASSERT_NO_FATAL_FAILURE(more = body(round, nth, for_good));
        ASSERT_FALSE(HasFailure());
      }
    }
  }
  /// One attempt without memory; whether an allocation failed.
  bool attempt(std::uint64_t nth, bool for_good, const std::function<Status()>& call) {
    FailingMemory failing(nth, for_good);
    const Status outcome = contained(call);
    fired_ += failing.fired();
    refused_ += !outcome.ok();
    if (!failing.fired()) {
      EXPECT_TRUE(outcome.ok()) << outcome.error().to_string();
    }
    return failing.fired();
  }
  std::uint64_t fired_ = 0, refused_ = 0;
};

TEST_F(SyncMemoryTest, WhatIsSentArrives) {
  auto a = make("anna", 1), b = make("berta", 2);
  sweep([&](std::uint64_t round, std::uint64_t nth, bool for_good) {
    const std::string name = "f" + std::to_string(round % 7);
    a->write(name, noise(1 + round * 37 % 9000, round));
    a->write("large", noise(300000, round));
    a->set_xattr(name, "user.round", std::to_string(round));
    if (round % 3 == 0) a->rename(name, "renamed");
    const bool more = attempt(nth, for_good, [&] { return a->engine().step(); });
    EXPECT_TRUE(MustFinish::ready().ok());
    finish(*a);
    finish(*b);
    EXPECT_EQ(a->tree(), b->tree());
    return more;
  });
  a->check();
  b->check();
  report("sending");
}

TEST_F(SyncMemoryTest, WhatComesFromElsewhereIsTakenIn) {
  auto a = make("anna", 1), b = make("berta", 2);
  sweep([&](std::uint64_t round, std::uint64_t nth, bool for_good) {
    const std::string name = "f" + std::to_string(round % 5);
    a->write(name, noise(1 + round * 37 % 9000, round));
    a->set_xattr(name, "user.round", std::to_string(round));
    if (round % 4 == 0) a->rename(name, "renamed");
    finish(*a);
    if (round % 2 == 0) b->write(name, "of b " + std::to_string(round));   // a conflict: planned anew
    const bool more = attempt(nth, for_good, [&] { return b->engine().step(); });
    EXPECT_TRUE(MustFinish::ready().ok());
    finish(*b);
    finish(*a);
    EXPECT_EQ(a->tree(), b->tree());
    if (round % 20 == 0)   // conflict copies pile up
      for (const auto& [path, bytes] : a->tree()) a->unlink(path);
    return more;
  });
  a->check();
  b->check();
  report("taking in");
}

TEST_F(SyncMemoryTest, WhatIsAskedForComes) {
  auto a = make("anna", 1);
  a->make_directory("d");
  for (int i = 0; i < 5; ++i) a->write("d/f" + std::to_string(i), noise(20000, static_cast<std::uint64_t>(i)));
  finish(*a);
  const auto whole = a->tree();
  sweep([&](std::uint64_t round, std::uint64_t nth, bool for_good) {
    auto b = make("berta", static_cast<std::uint32_t>(100 + round));
    const InodeId directory = b->inode_of("d");
    const Instant deadline = SystemClock().monotonic() + std::chrono::seconds(20);
    bool more = attempt(nth, for_good, [&] { return b->engine().fetch_directory(directory, deadline, {}); });
    const InodeId file = b->inode_of("d/f1");
    more |= attempt(nth, for_good, [&] { return b->engine().fetch_content(file, {0, 20000}, deadline, {}); });
    EXPECT_TRUE(MustFinish::ready().ok());
    EXPECT_EQ(b->tree(), whole);
    b->check();
    b->stop();
    return more;
  });
  report("fetching");
}

}  // namespace
}  // namespace skymoor::client
