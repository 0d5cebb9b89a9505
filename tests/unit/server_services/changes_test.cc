// The feed: order, chain, cursors, and who is told.
#include <thread>

#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

class ChangesTest : public CommitTest {
 protected:
  FeedPage page(Sequence after, std::size_t max_bytes = 4u << 20) {
    return value_of(services_->changes().page(owner_->caller, volume_, after, Epoch{1}, max_bytes));
  }
  ChangesService::Subscription subscribe(ChangesService::Callback callback) {
    return value_of(services_->changes().subscribe(owner_->caller, volume_, std::move(callback)));
  }
};

TEST_F(ChangesTest, the_feed_is_a_chain_of_what_was_sent) {
  std::vector<SignedCommit> sent;
  for (int i = 0; i < 20; ++i) {
    InodeId inode = writer_->next_inode();
    auto sealed = writer_->sign(writer_->plan({new_inode(inode), link(kRootInode, std::to_string(i), inode)}));
    auto reply = value_of(writer_->send(sealed));
    writer_->set_base(reply.sequence, reply.hash);
    sent.push_back(sealed);
  }
  FeedPage all = page({});
  EXPECT_EQ(all.head, Sequence{20});
  ASSERT_EQ(all.entries.size(), 20u);
  Hash256 hash;
  for (std::size_t i = 0; i < 20; ++i) {
    const FeedEntry& entry = all.entries[i];
    EXPECT_EQ(entry.sequence, Sequence{i + 1});
    EXPECT_EQ(entry.commit.payload, sent[i].payload);
    EXPECT_EQ(entry.commit.signature, sent[i].signature);
    hash = crypto::sha256({hash.view(), entry.commit.payload, entry.commit.signature});
    EXPECT_EQ(entry.hash, hash);
  }
  EXPECT_EQ(info().head_hash, hash);
}

TEST_F(ChangesTest, pages_are_bounded_and_join) {
  for (int i = 0; i < 10; ++i) make_file(std::to_string(i));
  std::size_t one = page({}).entries[0].commit.payload.size();
  Sequence at;
  int pages = 0;
  while (at < Sequence{10}) {
    FeedPage next = page(at, 3 * one);
    ASSERT_FALSE(next.entries.empty());
    EXPECT_LE(next.entries.size(), 3u);
    EXPECT_EQ(next.entries.front().sequence.value, at.value + 1);
    at = next.entries.back().sequence;
    ++pages;
  }
  EXPECT_GE(pages, 4);
  EXPECT_EQ(page({}, 0).entries.size(), 1u);
  EXPECT_TRUE(page(Sequence{10}).entries.empty());
}

TEST_F(ChangesTest, cursors_that_are_not_the_volume_s_mean_resync) {
  make_file("a");
  auto code = [&](Sequence after, Epoch epoch) {
    return code_of(services_->changes().page(owner_->caller, volume_, after, epoch));
  };
  EXPECT_EQ(code(Sequence{2}, Epoch{1}), Code::kResync);
  EXPECT_EQ(code(Sequence{~0ull}, Epoch{1}), Code::kResync);
  EXPECT_EQ(code(Sequence{0}, Epoch{2}), Code::kResync);
  EXPECT_EQ(code(Sequence{1}, Epoch{1}), Code{});
}

TEST_F(ChangesTest, subscribers_hear_the_present_head_and_each_new_one) {
  make_file("a");
  std::vector<std::uint64_t> heard;
  auto subscription = subscribe([&](Sequence head) { heard.push_back(head.value); });
  make_file("b");
  make_file("c");
  EXPECT_THAT(heard, ::testing::ElementsAre(1, 2, 3));
  subscription.reset();
  make_file("d");
  EXPECT_EQ(heard.size(), 3u);
}

TEST_F(ChangesTest, subscribers_hear_of_their_volume_only) {
  std::vector<std::uint64_t> heard;
  VolumeId other = add_volume(*owner_);
  auto subscription = value_of(
      services_->changes().subscribe(owner_->caller, other, [&](Sequence head) { heard.push_back(head.value); }));
  make_file("a");
  EXPECT_THAT(heard, ::testing::ElementsAre(0));
}

TEST_F(ChangesTest, subscriptions_of_one_user_are_bounded) {
  std::vector<ChangesService::Subscription> all;
  for (int i = 0; i < 64; ++i) all.push_back(subscribe([](Sequence) {}));
  EXPECT_EQ(code_of(services_->changes().subscribe(owner_->caller, volume_, [](Sequence) {})), Code::kRateLimited);
  all.pop_back();
  all.push_back(subscribe([](Sequence) {}));
}

TEST_F(ChangesTest, no_call_begins_after_the_subscription_has_gone) {
  std::atomic<bool> stop = false;
  std::jthread committer([&] {
    for (int i = 0; !stop; ++i) make_file("f" + std::to_string(i));
  });
  for (int i = 0; i < 200; ++i) {
    auto alive = std::make_unique<std::atomic<int>>(1);
    auto subscription = subscribe([flag = alive.get()](Sequence) { EXPECT_EQ(flag->load(), 1); });
    std::this_thread::yield();
    subscription.reset();
    alive->store(0);
  }
  stop = true;
}

TEST_F(ChangesTest, a_subscription_may_outlive_the_service) {
  auto subscription = subscribe([](Sequence) {});
  services_.reset();
  subscription.reset();
}

}  // namespace
}  // namespace skymoor::server
