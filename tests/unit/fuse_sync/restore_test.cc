// A server put back from an older backup: devices that had seen more give it back, and nothing is lost on any of them.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

class RestoreTest : public SyncEngineTest {
 protected:
  using Tree = std::map<std::string, std::string>;

  void back_up() { backup_ = volume_.server.back_up(); }
  /// The server is away while it happens, for all devices; they come back one by one.
  void put_back(bool blocks_too = false) {
    for (auto& d : devices_) d->remote().set_offline(true);
    volume_.server.put_back(*backup_, blocks_too);
  }
  static void online(SyncDevice& d) {
    d.remote().set_offline(false);
    d.engine().wake();
  }
  /// The device is back, has given back what it had, and shows all that the server has.
  void settle(SyncDevice& d) {
    online(d);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (d.store().position().epoch != volume_.server.epoch() || volume_.server.epoch() == Epoch{1}) {
      if (std::chrono::steady_clock::now() > deadline || d.engine().status().stopped)
        throw std::runtime_error(d.name() + " does not get over the restore: " + d.engine().status().reason);
      d.engine().wake();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    d.catch_up();
  }
  void wait_stopped(SyncDevice& d) {
    online(d);
    for (int i = 0; i < 3000 && !d.engine().status().stopped; ++i) {
      d.engine().wake();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ASSERT_TRUE(d.engine().status().stopped);
  }
  Tree server() const {
    Tree tree;
    for (const auto& [path, plain] : volume_.tree()) {
      const bool directory = plain.attributes.type == FileType::kDirectory;
      const bool symlink = plain.attributes.type == FileType::kSymlink;
      tree[path] = directory ? "dir" : symlink ? "-> " + plain.target : plain.bytes;
    }
    return tree;
  }
  static std::vector<std::string> keys(const Tree& tree) {
    std::vector<std::string> names;
    for (const auto& [path, bytes] : tree) names.push_back(path);
    return names;
  }

  std::shared_ptr<const FakeVolumeServer::Backup> backup_;
};

TEST_F(RestoreTest, whatever_was_done_after_the_backup_is_given_back) {
  SyncDevice& a = device("anna");
  a.make_directory("d");
  a.make_directory("d/inner");
  a.write("d/inner/deep", "deep");
  a.write("old", noise(300000, 1));
  a.write("gone", "x");
  a.write("moved", "m");
  a.write("linked", "l");
  a.make_directory("empty");
  a.sync();
  back_up();
  a.write("old", noise(400000, 2));
  a.write_at("d/inner/deep", 2, "EP");
  a.unlink("gone");
  a.rename("moved", "d/moved");
  a.remove_directory("empty");
  a.rename("d/inner", "lifted");
  a.link("linked", "d/second");
  a.symlink("target", "sym");
  a.write("new", noise(500000, 3));
  a.make_directory("new dir");
  a.write("new dir/file", "in it");
  a.chmod("linked", 0600);
  a.set_xattr("old", "user.a", "1");
  a.chmod("d", 0700);
  a.sync();
  const Tree before = a.tree();
  const auto nodes_before = volume_.tree();
  ASSERT_EQ(server(), before);
  put_back();
  ASSERT_NE(server(), before);
  settle(a);
  EXPECT_EQ(server(), before);
  EXPECT_EQ(a.tree(), before);
  const auto nodes = volume_.tree();
  for (const auto& [path, plain] : nodes_before) {
    // Access times are the device's own: what is given back as new has none.
    Attributes given = nodes.at(path).attributes;
    EXPECT_TRUE(given.atime == plain.attributes.atime || given.atime == given.mtime) << path;
    given.atime = plain.attributes.atime;
    EXPECT_TRUE(given == plain.attributes) << path;
    EXPECT_EQ(nodes.at(path).xattrs, plain.xattrs) << path;
  }
  const auto report = a.engine().status().restored;
  EXPECT_EQ(report.epoch, Epoch{2});
  EXPECT_GE(report.given_back, 9u);
  EXPECT_TRUE(report.missing.empty());
  SyncDevice& fresh = device("fresh");
  EXPECT_EQ(fresh.tree(), before);
  // And the next change is an ordinary one.
  a.write("after", "more");
  a.sync();
  expect_converged();
}

TEST_F(RestoreTest, a_device_that_had_seen_no_more_goes_on) {
  auto [a, b] = two_apart("f", "1");
  back_up();
  a.write("f", "2");
  a.write("g", "new");
  a.sync();
  put_back();
  b.write("mine", "pending");
  settle(a);
  settle(b);
  expect_converged();
  EXPECT_EQ(server(), (Tree{{"f", "2"}, {"g", "new"}, {"mine", "pending"}}));
  EXPECT_EQ(b.engine().status().restored.epoch, Epoch{});
}

TEST_F(RestoreTest, a_second_device_finds_nothing_to_give_back) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("f", "1");
  a.sync();
  back_up();
  a.write("f", "2");
  a.make_directory("d");
  a.write("d/g", noise(100000, 4));
  a.sync();
  b.catch_up();
  EXPECT_EQ(b.tree(), a.tree());
  const Tree before = a.tree();
  put_back();
  settle(a);
  const std::size_t commits = volume_.server.commits();
  settle(b);
  EXPECT_EQ(volume_.server.commits(), commits);
  EXPECT_EQ(server(), before);
  expect_converged();
}

/// The order in which they come back must not matter.
class RestoreOrderTest : public RestoreTest, public ::testing::WithParamInterface<bool> {};

TEST_P(RestoreOrderTest, the_newest_state_stays) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("f", "at the backup");
  a.write("victim", "v");
  a.make_directory("d");
  a.sync();
  b.catch_up();
  b.tree();
  back_up();
  a.write("f", "older");
  a.write("g", "older g");
  a.rename("d", "d1");
  a.chmod("victim", 0600);
  a.sync();
  b.catch_up();
  b.tree();
  b.remote().set_offline(true);  // knows that much
  a.write("f", "newer");
  a.write("g", "newer g");
  a.rename("d1", "d2");
  a.unlink("victim");
  a.sync();
  const Tree newest = a.tree();
  put_back();
  settle(GetParam() ? a : b);
  settle(GetParam() ? b : a);
  expect_converged();
  EXPECT_EQ(server(), newest);
}

INSTANTIATE_TEST_SUITE_P(Orders, RestoreOrderTest, ::testing::Bool());

TEST_F(RestoreTest, what_is_pending_follows) {
  SyncDevice& a = device("anna");
  a.write("f", "1");
  a.sync();
  back_up();
  a.write("f", "2");
  a.write("g", "g");
  a.sync();
  put_back();
  a.write("f", "3");
  a.rename("g", "h");
  a.write("new", "n");
  settle(a);
  expect_converged();
  EXPECT_EQ(server(), (Tree{{"f", "3"}, {"h", "g"}, {"new", "n"}}));
}

TEST_F(RestoreTest, a_commit_without_an_answer_that_the_backup_does_not_have_is_sent_again) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("f", "1");
  a.sync();
  back_up();
  a.remote().lose_commit_answers = 1;
  a.write("g", "g");
  try {
    a.sync(std::chrono::seconds(5));
  } catch (const std::runtime_error&) {
  }
  b.catch_up();
  EXPECT_EQ(b.read("g"), "g");
  put_back();
  settle(b);
  settle(a);
  expect_converged();
  EXPECT_EQ(server(), (Tree{{"f", "1"}, {"g", "g"}}));
}

TEST_F(RestoreTest, work_that_others_did_since_stays_beside_what_was_lost) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("both", "1");
  a.write("edited, deleted", "1");
  a.write("deleted, edited", "1");
  a.make_directory("dir");
  a.write("dir/x", "x");
  a.sync();
  b.catch_up();
  b.tree();
  b.remote().set_offline(true);
  back_up();
  a.write("both", "lost edit");
  a.write("edited, deleted", "lost edit");
  a.unlink("deleted, edited");
  a.write("dir/new", "in a directory that goes");
  a.write("name", "lost");
  a.sync();
  put_back();
  online(b);  // sees nothing strange: it was behind
  b.write("both", "new edit");
  b.unlink("edited, deleted");
  b.write("deleted, edited", "new edit");
  b.unlink("dir/x");
  b.remove_directory("dir");
  b.write("name", "new");
  b.sync();
  settle(a);
  expect_converged();
  std::multiset<std::string> contents;
  for (const auto& [path, bytes] : server()) contents.insert(bytes);
  EXPECT_EQ(contents, (std::multiset<std::string>{"lost edit", "lost edit", "new edit", "new edit", "dir",
                                                  "in a directory that goes", "lost", "new"}));
  EXPECT_EQ(server().at("both"), "new edit");
  EXPECT_EQ(server().at("edited, deleted"), "lost edit");
  EXPECT_EQ(server().at("dir/new"), "in a directory that goes");
}

TEST_F(RestoreTest, blocks_that_are_lost_too_come_from_this_device) {
  SyncDevice& a = device("anna");
  const std::string kept = noise(3u << 20, 1);
  a.write("kept", kept);
  a.sync();
  back_up();
  const std::string fresh = noise(2u << 20, 2);
  a.write("fresh", fresh);
  a.write_at("kept", 1u << 20, "changed in the middle");
  a.sync();
  put_back(true);
  settle(a);
  const Tree tree = server();
  EXPECT_TRUE(tree.at("fresh") == fresh);
  EXPECT_EQ(tree.at("kept").substr(1u << 20, 21), "changed in the middle");
  expect_converged();
}

TEST_F(RestoreTest, a_content_that_is_not_held_is_named_and_left_to_a_device_that_holds_it) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("changed", noise(100000, 1));
  a.sync();
  b.catch_up();
  b.tree();
  back_up();
  const std::string changed = noise(200000, 2), fresh = noise(300000, 3);
  a.write("changed", changed);
  a.write("fresh", fresh);
  a.sync();
  b.catch_up();
  b.paths();  // the names alone
  EXPECT_EQ(b.node("fresh").attributes.size, fresh.size());
  put_back(true);
  settle(b);
  auto report = b.engine().status().restored;
  ASSERT_EQ(report.missing.size(), 2u);
  EXPECT_EQ((std::set<std::string>{report.missing[0].path, report.missing[1].path}),
            (std::set<std::string>{"changed", "fresh"}));
  // Nothing empty stands in their place.
  EXPECT_FALSE(server().contains("fresh"));
  EXPECT_TRUE(server().at("changed") == noise(100000, 1));
  b.stop();
  b.start();
  EXPECT_EQ(b.engine().status().restored.missing.size(), 2u);
  settle(a);
  expect_converged();
  EXPECT_TRUE(server().at("changed") == changed);
  EXPECT_TRUE(server().at("fresh") == fresh);
  EXPECT_TRUE(b.engine().status().restored.missing.empty());
}

TEST_F(RestoreTest, blocks_that_are_older_than_the_database_are_sent_again_with_the_next_change) {
  SyncDevice& a = device("anna");
  const std::string bytes = noise(3u << 20, 8);
  a.write("f", bytes);
  a.sync();
  volume_.server.drop_blocks();
  a.write_at("f", 1u << 20, "patch");
  a.sync();
  EXPECT_EQ(server().at("f"), std::string(bytes).replace(1u << 20, 5, "patch"));
}

TEST_F(RestoreTest, directories_that_changed_places) {
  SyncDevice& a = device("anna");
  a.make_directory("a");
  a.make_directory("a/b");
  a.write("a/f", "in a");
  a.write("a/b/f", "in b");
  a.make_directory("x");
  a.make_directory("y");
  a.write("x/1", "x");
  a.write("y/2", "y");
  a.sync();
  back_up();
  a.rename("a/b", "b");
  a.rename("a", "b/a");
  a.rename("x", "t");
  a.rename("y", "x");
  a.rename("t", "y");
  a.sync();
  const Tree before = a.tree();
  put_back();
  settle(a);
  EXPECT_EQ(server(), before);
  expect_converged();
}

TEST_F(RestoreTest, trees_that_were_deleted_go_again) {
  SyncDevice& a = device("anna");
  a.make_directory("d");
  a.make_directory("d/e");
  a.write("d/e/f", "f");
  a.write("d/g", "g");
  a.write("d/out", "moved out");
  a.sync();
  back_up();
  a.rename("d/out", "out");
  a.unlink("d/e/f");
  a.remove_directory("d/e");
  a.unlink("d/g");
  a.remove_directory("d");
  a.sync();
  put_back();
  settle(a);
  EXPECT_EQ(server(), (Tree{{"out", "moved out"}}));
  expect_converged();
}

TEST_F(RestoreTest, many_commits_lost_answers_and_a_restart_on_the_way) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("f", "1");
  a.sync();
  back_up();
  for (int d = 0; d < 5; ++d) {
    const std::string folder = "d" + std::to_string(d);
    a.make_directory(folder);
    for (int f = 0; f < 12; ++f) a.write(folder + "/f" + std::to_string(f), folder + " " + std::to_string(f));
  }
  a.sync();
  b.catch_up();
  const Tree before = a.tree();
  EXPECT_EQ(b.tree(), before);
  put_back();
  for (SyncDevice* d : {&a, &b}) {
    d->stop();
    d->options.max_restored_effects = 10;
    d->start();
  }
  a.remote().lose_commit_answers = 1;
  online(a);
  for (int i = 0; i < 2000 && volume_.server.commits() < 4; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  a.stop();
  a.start();
  online(b);
  settle(a);
  settle(b);
  EXPECT_EQ(server(), before);
  expect_converged();
}

TEST_F(RestoreTest, twice_from_the_same_backup) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("f", "1");
  a.sync();
  b.catch_up();
  b.tree();
  back_up();
  a.write("f", "2");
  a.write("g", "g");
  a.sync();
  b.catch_up();
  b.tree();
  put_back();
  settle(a);
  a.write("h", "h");
  a.sync();
  put_back();
  settle(a);
  settle(b);
  EXPECT_EQ(volume_.server.epoch(), Epoch{3});
  expect_converged();
  EXPECT_EQ(server(), (Tree{{"f", "2"}, {"g", "g"}, {"h", "h"}}));
}

TEST_F(RestoreTest, an_empty_server_stops_the_device) {
  back_up();
  SyncDevice& a = device("anna");
  a.write("f", "1");
  a.sync();
  put_back(true);
  a.write("g", "pending");
  wait_stopped(a);
  EXPECT_NE(a.engine().status().reason.find("empty"), std::string::npos);
  EXPECT_NE(a.engine().status().reason.find("skymoor status"), std::string::npos);
  EXPECT_EQ(a.tree(), (Tree{{"f", "1"}, {"g", "pending"}}));
  EXPECT_EQ(volume_.server.commits(), 0u);
}

TEST_F(RestoreTest, a_server_that_does_not_own_up_stops_the_device) {
  SyncDevice& a = device("anna");
  a.write("f", "1");
  a.sync();
  back_up();
  a.write("f", "2");
  a.sync();
  put_back();
  volume_.server.set_stubborn(true);
  wait_stopped(a);
  EXPECT_EQ(a.tree(), (Tree{{"f", "2"}}));
  EXPECT_EQ(server(), (Tree{{"f", "1"}}));
}

}  // namespace
}  // namespace skymoor::client
