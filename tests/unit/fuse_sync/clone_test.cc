// Copies of files whose bytes are not here: nothing is fetched for them, nothing is sent, and nothing of them gets lost.
#include <unistd.h>

#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

class CloneTest : public SyncEngineTest {
 protected:
  /// Anna has made `big` and `c`; Berta has seen both, and has the bytes of neither.
  CloneTest() : a(device("anna")), b(device("berta")) {
    a.write("big", big);
    a.write("c", noise(20000, 2));
    a.sync();
    b.catch_up();
    b.paths();
  }
  std::uint64_t moved() { return b.remote().fetched_blocks + b.remote().packs; }
  std::map<std::string, std::string> of_server() {
    std::map<std::string, std::string> all;
    for (const auto& [path, plain] : volume_.tree()) all[path] = plain.bytes;
    return all;
  }
  /// The names that show these bytes at the server.
  std::vector<std::string> with(const std::string& bytes) {
    std::vector<std::string> names;
    for (const auto& [path, held] : of_server())
      if (held == bytes) names.push_back(path);
    return names;
  }

  const std::string big = noise(6u << 20, 1);
  SyncDevice &a, &b;
};

TEST_F(CloneTest, NothingMovesForACopyOfWhatIsNotHere) {
  const auto before = moved();
  b.copy("big", "copy");
  EXPECT_EQ(b.node("copy").attributes.size, big.size());
  EXPECT_EQ(b.store().pending().bytes, 0u) << "the server has all of its bytes";
  b.sync();
  EXPECT_EQ(moved(), before);
  EXPECT_TRUE(of_server().at("copy") == big);
  EXPECT_EQ(b.engine().state_of(b.node("copy").id), "remote-only");
  EXPECT_TRUE(b.read("copy") == big);
  expect_converged();
}

/// As `cp` does with O_TMPFILE: a name came to bytes that were never here, and they were zeros.
TEST_F(CloneTest, ACopyThatGetsItsNameAfterwardsIsTheCopyStill) {
  Request r;
  const auto from = b.files().open(r, b.inode_of("big"), {.read = true, .write = false});
  const auto made = b.files().create_unnamed(r, kRootInode, 0600, {.read = true, .write = true});
  ASSERT_TRUE(from.ok() && made.ok());
  const auto before = moved();
  for (std::size_t done = 0; done < big.size();) {
    const auto step = b.files().copy_range(r, from->handle, done, made->opened.handle, done, big.size() - done);
    ASSERT_TRUE(step.ok() && *step > 0) << step.error().to_string();
    done += *step;
  }
  ASSERT_TRUE(b.files().link(r, made->node.id, kRootInode, "copy").ok());
  b.files().release(made->opened.handle);
  b.files().release(from->handle);
  b.sync();
  EXPECT_EQ(moved(), before);
  EXPECT_TRUE(of_server().at("copy") == big);
  EXPECT_TRUE(b.read("copy") == big);
  expect_converged();
}

TEST_F(CloneTest, ACopyThatIsWrittenOnBeforeItGetsItsNameIsBoth) {
  Request r;
  const auto from = b.files().open(r, b.inode_of("big"), {.read = true, .write = false});
  const auto made = b.files().create_unnamed(r, kRootInode, 0600, {.read = true, .write = true});
  ASSERT_TRUE(from.ok() && made.ok());
  ASSERT_EQ(b.files().copy_range(r, from->handle, 0, made->opened.handle, 0, big.size()).value_or(0), big.size());
  ASSERT_TRUE(b.files().write(r, made->opened.handle, 3u << 20, 5, [](int fd, std::uint64_t at) -> Result<std::size_t> {
    return static_cast<std::size_t>(::pwrite(fd, "patch", 5, static_cast<off_t>(at)));
  }).ok());
  ASSERT_TRUE(b.files().link(r, made->node.id, kRootInode, "copy").ok());
  b.files().release(made->opened.handle);
  b.files().release(from->handle);
  std::string expected = big;
  expected.replace(3u << 20, 5, "patch");
  b.sync();
  EXPECT_TRUE(of_server().at("copy") == expected);
  EXPECT_TRUE(b.read("copy") == expected);
  expect_converged();
}

TEST_F(CloneTest, ACopyThatIsWrittenOnAndMetByARestartSendsWhatWasWritten) {
  b.remote().set_offline(true);
  b.copy("big", "copy");
  b.stop();
  b.start();
  b.write_at("copy", 3u << 20, "patch");
  b.truncate("copy", 5u << 20);
  b.remote().set_offline(false);
  const std::uint64_t sent = b.remote().pack_bytes;
  b.sync();
  std::string expected = big.substr(0, 5u << 20);
  expected.replace(3u << 20, 5, "patch");
  EXPECT_TRUE(of_server().at("copy") == expected);
  EXPECT_LT(b.remote().pack_bytes - sent, big.size() / 2 + (4u << 20));
  expect_converged();
}

TEST_F(CloneTest, ACopyOverAFileThatAnotherDeviceWritesIsItsConflictCopy) {
  b.remote().set_offline(true);
  b.copy("big", "c");
  a.write("c", "other");
  a.sync();
  b.remote().set_offline(false);
  b.sync();
  EXPECT_EQ(of_server().at("c"), "other");
  EXPECT_EQ(with(big).size(), 2u) << "the copy is lost";
  expect_converged();
  EXPECT_EQ(b.read("c"), "other");
}

TEST_F(CloneTest, ACopyOverAFileThatAnotherDeviceDeletesBringsItBack) {
  b.remote().set_offline(true);
  b.copy("big", "c");
  a.unlink("c");
  a.unlink("big");
  a.sync();
  b.remote().set_offline(false);
  b.sync();
  EXPECT_EQ(with(big), std::vector<std::string>{"c"});
  expect_converged();
}

TEST_F(CloneTest, OfTwoThatMakeTheSameNameBothAreKept) {
  b.remote().set_offline(true);
  b.copy("big", "new");
  b.copy("new", "copy of the copy");
  b.rename("new", "d");
  a.write("d", "other");
  a.sync();
  b.remote().set_offline(false);
  b.sync();
  EXPECT_EQ(of_server().at("d"), "other");
  EXPECT_EQ(with(big).size(), 3u);
  expect_converged();
}

/// The list of blocks that a copy over a file puts in the place of the file's own must not be taken for it.
TEST_F(CloneTest, ACopyThatIsUndoneLeavesTheFileWhole) {
  const std::string mine = noise(3u << 20, 5);
  a.write("c", mine);
  a.sync();
  b.catch_up();
  b.remote().set_offline(true);
  b.copy("big", "c");
  a.write_at("c", 1u << 20, "other");
  a.sync();
  b.remote().set_offline(false);
  b.sync();
  std::string expected = mine;
  expected.replace(1u << 20, 5, "other");
  b.stop();
  b.start();
  b.catch_up();
  EXPECT_TRUE(b.read("c") == expected);
  EXPECT_EQ(with(big).size(), 2u);
  expect_converged();
}

TEST_F(CloneTest, ACommitThatWasRefusedIsSentOnceMore) {
  b.remote().refuse_commits = 1;
  b.copy("big", "copy");
  b.sync();
  EXPECT_TRUE(of_server().at("copy") == big);
  expect_converged();
}

}  // namespace
}  // namespace skymoor::client
