// Many committers at once: one order, nothing lost, readers not disturbed; and what a large commit costs.
#include <time.h>

#include <functional>
#include <thread>

#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

class ConcurrencyTest : public CommitTest {};

TEST_F(ConcurrencyTest, eight_writers_get_one_order_and_lose_nothing) {
  constexpr int kWriters = 8, kCommits = 40;
  std::vector<std::unique_ptr<TestWriter>> writers;
  for (int i = 0; i < kWriters; ++i) writers.push_back(second_writer());
  std::atomic<bool> done = false;
  std::jthread reader([&] {
    while (!done) {
      DirectoryPage page = list();
      EXPECT_EQ(page.entries.size(), page.sequence.value) << "each commit adds one entry";
    }
  });
  std::mutex mutex;
  std::set<std::uint64_t> sequences;
  {
    std::vector<std::jthread> threads;
    for (int w = 0; w < kWriters; ++w)
      threads.emplace_back([&, w] {
        TestWriter& writer = *writers[static_cast<std::size_t>(w)];
        for (int i = 0; i < kCommits; ++i) {
          std::string name = std::to_string(w) + "-" + std::to_string(i);
          InodeId inode = writer.next_inode();
          auto reply = writer.send(writer.plan({new_inode(inode), link(kRootInode, name, inode)},
                                               {read_slot(kRootInode, name), read_inode(kRootInode)}));
          ASSERT_TRUE(reply.ok()) << reply.error().to_string();
          std::lock_guard lock(mutex);
          EXPECT_TRUE(sequences.insert(reply->sequence.value).second);
        }
      });
  }
  done = true;
  reader.join();
  EXPECT_EQ(sequences.size(), std::size_t{kWriters * kCommits});
  EXPECT_EQ(*sequences.rbegin(), std::uint64_t{kWriters * kCommits});
  EXPECT_EQ(names().size(), std::size_t{kWriters * kCommits});
  EXPECT_EQ(info().inodes, std::uint64_t{kWriters * kCommits + 1});

  auto feed = value_of(services_->changes().page(owner_->caller, volume_, {}, Epoch{1}, 8u << 20));
  Hash256 hash;
  for (const FeedEntry& entry : feed.entries) {
    hash = crypto::sha256({hash.view(), entry.commit.payload, entry.commit.signature});
    ASSERT_EQ(entry.hash, hash);
  }
  EXPECT_EQ(info().head_hash, hash);
}

TEST_F(ConcurrencyTest, of_eight_that_want_one_name_one_gets_it) {
  std::vector<std::unique_ptr<TestWriter>> writers;
  for (int i = 0; i < 8; ++i) writers.push_back(second_writer());
  std::atomic<int> won = 0, conflicts = 0;
  {
    std::vector<std::jthread> threads;
    for (auto& writer : writers)
      threads.emplace_back([&] {
        InodeId inode = writer->next_inode();
        auto reply = writer->send(
            writer->plan({new_inode(inode), link(kRootInode, "one", inode)}, {read_slot(kRootInode, "one")}));
        if (reply.ok()) ++won;
        else if (reply.error().code() == Code::kConflict) ++conflicts;
      });
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(conflicts, 7);
}

TEST_F(ConcurrencyTest, one_commit_sent_by_many_is_applied_once) {
  InodeId inode = writer_->next_inode();
  SignedCommit sealed = writer_->sign(writer_->plan({new_inode(inode), link(kRootInode, "a", inode)}));
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] { EXPECT_EQ(value_of(writer_->send(sealed)).sequence, Sequence{1}); });
  }
  EXPECT_EQ(info().head, Sequence{1});
}

/// Processor time of this process, so that what else runs on the machine does not count.
double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// The least of three; never so little that the clock's steps count.
double least_cost(const std::function<void()>& work) {
  double least = 1e9;
  for (int round = 0; round < 3; ++round) {
    const double before = cpu_seconds();
    work();
    least = std::min(least, cpu_seconds() - before);
  }
  return std::max(least, 0.001);
}

constexpr double kTenTimesAtMost = 30;   // the cost of ten times as much; what is quadratic costs a hundred times

TEST_F(ConcurrencyTest, a_commit_costs_what_its_files_do) {
  int made = 0;
  auto cost_of = [&](int files) {
    return least_cost([&] {
      std::vector<Effect> effects;
      std::vector<ReadRef> reads{read_inode(kRootInode)};
      for (int i = 0; i < files; ++i) {
        InodeId inode = writer_->next_inode();
        std::string name = std::to_string(made++);
        effects.push_back(new_inode(inode));
        effects.push_back(link(kRootInode, name, inode));
        PutContent content = std::get<PutContent>(put(inode, 4096));
        content.sealed_manifest.resize(4200);
        effects.push_back(content);
        reads.push_back(read_slot(kRootInode, name));
      }
      auto reply = value_of(writer_->send(writer_->sign(writer_->plan(std::move(effects), std::move(reads)))));
      writer_->set_base(reply.sequence, reply.hash);
    });
  };
  const double hundred = cost_of(100);
  EXPECT_LT(cost_of(1000), kTenTimesAtMost * hundred);
}

TEST_F(ConcurrencyTest, deep_trees_and_large_removals_cost_what_they_touch) {
  auto cost_of = [&](int depth) {
    return least_cost([&] {
      std::vector<Effect> make, remove;
      InodeId at = kRootInode;
      for (int i = 0; i < depth; ++i) {
        InodeId inode = writer_->next_inode();
        make.push_back(new_directory(inode));
        make.push_back(link(at, "d", inode));
        remove.push_back(unlink(at, "d", inode));
        at = inode;
      }
      value_of(writer_->submit(std::move(make)));
      InodeId top = std::get<UnlinkName>(remove.front()).inode;
      value_of(writer_->submit({unlink(kRootInode, "d", top), link(kRootInode, "moved", top)}));
      std::get<UnlinkName>(remove.front()).token = token_of("moved");
      value_of(writer_->submit(std::move(remove)));
    });
  };
  const double shallow = cost_of(300);
  EXPECT_LT(cost_of(3000), kTenTimesAtMost * shallow);
  EXPECT_EQ(info().inodes, 1u);
}

}  // namespace
}  // namespace skymoor::server
