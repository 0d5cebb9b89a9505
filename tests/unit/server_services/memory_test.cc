// Memory runs out at each allocation of a request in turn: the answer is an error or the whole of it, the database holds all of
// the commit or nothing, and the next request is served.
#include "shared/base/must_finish.h"
#include "tests/support/failing_memory.h"
#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

using skymoor::testing::FailingMemory;

class MemoryTest : public CommitTest {
 protected:
  /// Runs it with the first allocation failing, the second, and so on, until none does. `check` is told the outcome.
  void sweep(const std::string& what, const std::function<Status()>& request, const std::function<void(bool ok)>& check) {
    std::uint64_t fired = 0, refused = 0;
    for (bool for_good : {false, true}) {
      std::uint64_t nth = 1;
      for (bool more = true; more; ++nth) {
        SCOPED_TRACE(what + ", allocation " + std::to_string(nth) + (for_good ? " and all after it" : ""));
        ASSERT_LT(nth, 20000u);
        ASSERT_TRUE(MustFinish::ready().ok());
        Status outcome;
        {
          FailingMemory failing(nth, for_good);
          outcome = contained(request);
          more = failing.fired();
        }
        fired += more;
        refused += !outcome.ok();
        if (!outcome.ok()) {
          EXPECT_EQ(outcome.error().code(), Code::kOutOfMemory) << outcome.error().to_string();
        }
        ASSERT_NO_FATAL_FAILURE(check(outcome.ok()));
        ASSERT_FALSE(HasFailure());
      }
    }
    std::cout << what << ": " << fired << " allocations failed, " << refused << " requests were refused\n";
    EXPECT_GT(refused, 10u);
  }
  std::string number() { return std::to_string(++number_); }
  int number_ = 0;
};

TEST_F(MemoryTest, a_commit_is_there_or_not) {
  SignedCommit commit;
  std::string hash_before, name;
  const InodeId directory = make_directory("d");
  auto next = [&] {
    name = "f" + number();
    const InodeId inode = writer_->next_inode();
    commit = writer_->sign(writer_->plan({new_inode(inode), link(directory, name, inode), put(inode, 10),
                                          set_xattr(inode, "user.x", Bytes(100, 1)), chmod(directory, 0700)},
                                         {read_slot(directory, name)}));
    hash_before = state_hash();
  };
  next();
  sweep(
      "commit",
      [&] {
        auto reply = writer_->send(commit);
        return reply.ok() ? Status() : Status(reply.error());
      },
      [&](bool) {
        const auto there = names(directory);
        const bool applied = std::find(there.begin(), there.end(), name) != there.end();
        if (!applied) {
          EXPECT_EQ(state_hash(), hash_before) << "half of it is there";
        }
        // The same again: the stored answer, or done now.
        auto again = writer_->send(commit);
        ASSERT_TRUE(again.ok()) << again.error().to_string();
        ASSERT_EQ(find(list(directory).entries.back().inode.inode)->attributes.mode, 0644u);
        writer_->pull();
        next();
      });
}

TEST_F(MemoryTest, a_listing_is_whole_or_refused) {
  const InodeId directory = make_directory("d");
  for (int i = 0; i < 5; ++i) make_file("f" + std::to_string(i), directory);
  sweep(
      "listing",
      [&] {
        auto page = services_->names().directory(owner_->caller, {volume_, directory, {}, 1000, 4096});
        if (!page.ok()) return Status(page.error());
        EXPECT_EQ(page->entries.size(), 5u);
        return Status();
      },
      [&](bool) { EXPECT_EQ(names(directory).size(), 5u); });
  sweep(
      "changes",
      [&] {
        auto page = services_->changes().page(owner_->caller, volume_, Sequence{0}, Epoch{1}, 1u << 20);
        return page.ok() ? Status() : Status(page.error());
      },
      [&](bool) { EXPECT_EQ(names(directory).size(), 5u); });
}

TEST_F(MemoryTest, a_block_is_stored_or_not) {
  std::string text;
  sweep(
      "block",
      [&] {
        Bytes sealed;
        block::PackWriter pack;
        BlockId id;
        {
          skymoor::testing::OtherMemory of_the_client;
          text = "block " + number();
          sealed = to_bytes(text);
          id.value = crypto::sha256(sealed).value;
          pack.add_block(id, sealed);
        }
        auto stored = services_->blocks().upload_pack(owner_->caller, volume_, pack.take());
        return stored.ok() ? Status() : Status(stored.error());
      },
      [&](bool) { store_block(text); });
}

}  // namespace
}  // namespace skymoor::server
