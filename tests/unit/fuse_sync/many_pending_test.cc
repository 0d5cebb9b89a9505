// A device that starts with weeks of unsent work is there at once. SKYMOOR_PENDING: how many operations (100000).
#include <sys/resource.h>

#include "tests/support/seeds.h"
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

TEST_F(SyncEngineTest, AHundredThousandPendingOperationsStartInTwoSeconds) {
  const auto count = skymoor::testing::number_from("SKYMOOR_PENDING", 100000);
  const std::string state = directory_ + "/a", killed = directory_ + "/killed";
  SyncDevice a(volume_, "anna", 1, state, {.stepped = true});
  a.write("first", "x");
  ASSERT_TRUE(a.engine().step().ok());
  a.remote().set_offline(true);
  std::uint64_t done = 0;
  std::vector<InodeId> files;
  Request request;
  OpenFlags flags;
  flags.write = true;
  for (; done < count / 4; ++done) {
    auto made = a.files().create(request, kRootInode, "f" + std::to_string(done), 0644, flags);
    ASSERT_TRUE(made.ok()) << made.error().to_string();
    a.files().release(made->opened.handle);
    files.push_back(made->node.id);
  }
  for (; done < count; ++done) {
    SetAttributesRequest wanted;
    wanted.mtime = Timestamp{std::chrono::seconds(done)};
    ASSERT_TRUE(a.files().set_attributes(request, files[done % files.size()], wanted).ok());
  }
  std::filesystem::copy(state, killed, std::filesystem::copy_options::recursive);   // kill -9
  a.abandon(killed, false);
  const double before = cpu_seconds();
  const auto began = std::chrono::steady_clock::now();
  a.start();
  const double took = cpu_seconds() - before;
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - began;
  EXPECT_LT(took, 2.0);
  EXPECT_GE(a.store().pending().records, count);
  EXPECT_TRUE(a.exists("f7"));
  std::cout << a.store().pending().records << " pending records: started in " << took << " s of CPU, " << wall.count()
            << " s\n";
}

}  // namespace
}  // namespace skymoor::client
