// Updates that share a transaction: each whole or not at all, and none harmed by its neighbours.
#include "backend-server/metadata_store/sqlite/group_writer.h"

#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/temp_dir.h"

namespace skymoor::server {
namespace {

/// A transaction of one job that goes on until `end`: what comes meanwhile waits.
class FirstGroup {
 public:
  explicit FirstGroup(GroupWriter& writer)
      : thread_([this, &writer] {
          (void)writer.run([&]() -> Status {
            running_ = true;
            while (!ended_) std::this_thread::yield();
            return {};
          });
        }) {
    while (!running_) std::this_thread::yield();
  }
  void end() { ended_ = true; }

 private:
  std::atomic<bool> running_ = false, ended_ = false;
  std::jthread thread_;
};

class GroupWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = sqlite::Database::open(directory_ / "t.db", {.synchronous = sqlite::Synchronous::kFull});
    ASSERT_TRUE(opened.ok());
    connection_ = std::make_unique<Connection>(*std::move(opened));
    ASSERT_TRUE(connection_->database().execute("CREATE TABLE t(x INTEGER PRIMARY KEY)").ok());
  }
  Status insert(std::int64_t x) { return connection_->run("INSERT INTO t(x) VALUES($1)", x); }
  std::int64_t count() {
    auto q = connection_->query("SELECT COUNT(*) FROM t");
    EXPECT_TRUE(q.ok() && q->step().value_or(false));
    return q->i64(0);
  }

  testing::TempDir directory_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(GroupWriterTest, undoes_a_job_that_fails_and_keeps_its_neighbours) {
  {
    GroupWriter writer(*connection_, {});
    std::vector<std::jthread> threads;
    for (int i = 0; i < 40; ++i)
      threads.emplace_back([&, i] {
        Status done = writer.run([&]() -> Status {
          TRY(insert(2 * i));
          TRY(insert(2 * i + 1));
          if (i % 2 == 1) return Error(Code::kConflict, "no");
          return {};
        });
        EXPECT_EQ(done.ok(), i % 2 == 0);
        EXPECT_TRUE(done.ok() || done.error().code() == Code::kConflict);
      });
  }
  EXPECT_EQ(count(), 40);
}

TEST_F(GroupWriterTest, an_exception_is_an_error_of_its_job_alone) {
  GroupWriter writer(*connection_, {});
  Status thrown = writer.run([&]() -> Status {
    TRY(insert(1));
    throw std::runtime_error("boom");
  });
  ASSERT_FALSE(thrown.ok());
  EXPECT_EQ(thrown.error().code(), Code::kInternal);
  EXPECT_TRUE(writer.run([&] { return insert(2); }).ok());
  EXPECT_EQ(count(), 1);
}

TEST_F(GroupWriterTest, jobs_that_wait_share_a_transaction) {
  GroupWriter writer(*connection_, {.group_time = std::chrono::hours(1)});
  FirstGroup first(writer);
  // What joins while the first group is held up forms the second: of its rows, released but not yet committed when the last
  // one runs, another connection sees none. (A busy machine may start a thread too late for it.)
  auto other = sqlite::Database::open(directory_ / "t.db", {.read_only = true});
  ASSERT_TRUE(other.ok());
  std::atomic<int> ran = 0;
  std::atomic<std::int64_t> visible_at_last = -1;
  std::vector<std::jthread> rest;
  for (int i = 0; i < 10; ++i)
    rest.emplace_back([&, i] {
      EXPECT_TRUE(writer
                      .run([&]() -> Status {
                        TRY(insert(i));
                        if (++ran < 10) return {};
                        auto q = TRY((*other)->prepare("SELECT COUNT(*) FROM t"));
                        TRY(q.step());
                        visible_at_last = q.i64(0);
                        return {};
                      })
                      .ok());
    });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  first.end();
  rest.clear();
  EXPECT_LT(visible_at_last, 9) << "each had a transaction of its own";
  EXPECT_EQ(count(), 10);
}

TEST_F(GroupWriterTest, refuses_more_than_its_queue_holds) {
  GroupWriter writer(*connection_, {.queue_limit = 2});
  FirstGroup first(writer);
  std::atomic<int> busy = 0, done = 0;
  std::vector<std::jthread> rest;
  for (int i = 0; i < 10; ++i)
    rest.emplace_back([&, i] {
      Status status = writer.run([&] { return insert(i); });
      if (status.ok()) ++done;
      else if (status.error().code() == Code::kBusy) ++busy;
    });
  while (busy < 8) std::this_thread::yield();
  first.end();
  rest.clear();
  EXPECT_EQ(busy, 8);
  EXPECT_EQ(done, 2);
}

TEST_F(GroupWriterTest, a_group_whose_commit_fails_fails_whole) {
  // A deferred foreign key is checked at COMMIT: the one way to make it fail on demand.
  ASSERT_TRUE(connection_->database()
                  .execute("PRAGMA foreign_keys=ON;CREATE TABLE child(x REFERENCES t(x) DEFERRABLE INITIALLY DEFERRED)")
                  .ok());
  GroupWriter writer(*connection_, {});
  Status failed = writer.run([&]() -> Status {
    TRY(insert(1));
    return connection_->run("INSERT INTO child(x) VALUES($1)", 99);
  });
  EXPECT_FALSE(failed.ok());
  EXPECT_TRUE(writer.run([&] { return insert(2); }).ok());
  EXPECT_EQ(count(), 1);
}

}  // namespace
}  // namespace skymoor::server
