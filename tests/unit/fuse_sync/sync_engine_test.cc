// The engine end to end: whole devices in one process, on real stores and backing files, against a server in memory.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "shared/crypto/hash.h"
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

/// Something of a large file is sent, and then nothing more until `go_on`, or the end of the test.
class HeldUpload {
 public:
  /// The device must not run yet.
  explicit HeldUpload(SyncDevice& device) {
    device.remote().carry = [held = held_, &remote = device.remote()](std::string_view call) -> Status {
      while (call == "pack" && remote.packs > 0 && *held) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return {};
    };
  }
  ~HeldUpload() { go_on(); }
  void go_on() { *held_ = false; }

 private:
  std::shared_ptr<std::atomic<bool>> held_ = std::make_shared<std::atomic<bool>>(true);
};

TEST_F(SyncEngineTest, WhatOneDeviceMakesTheOtherHas) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.make_directory("docs");
  a.write("docs/small", "hello");
  a.write("docs/big", noise(3u << 20, 1));
  a.write("empty", "");
  a.symlink("docs/small", "link");
  a.link("docs/small", "hard");
  a.set_xattr("docs/small", "user.colour", "blue");
  a.chmod("docs/big", 0600);
  a.sync();
  expect_converged();
  EXPECT_EQ(b.node("docs/big").attributes.mode & 07777, 0600u);
  EXPECT_EQ(b.node("hard").id, b.node("docs/small").id);
  EXPECT_EQ(b.node("docs").attributes.mtime, a.node("docs").attributes.mtime);
  EXPECT_EQ(volume_.tree().at("docs/small").xattrs.at("user.colour"), "blue");
}

TEST_F(SyncEngineTest, RoomIsMadeBySending) {
  SyncDevice& a = device("anna");
  a.write("f", noise(1u << 20, 5));
  const auto soon = [] { return SystemClock().monotonic() + std::chrono::seconds(60); };
  for (int i = 0; i < 20 && a.engine().makes_room(); ++i) ASSERT_TRUE(a.engine().make_room(soon(), {}).ok());
  EXPECT_FALSE(a.engine().makes_room());
  EXPECT_EQ(a.store().pending().records, 0u);
  const auto usage = a.backing().usage();
  EXPECT_EQ(usage.dirty_bytes, 0u);
  EXPECT_GT(usage.clean_bytes, 0u);
  // Without the server nothing leaves.
  a.remote().set_offline(true);
  a.write("g", noise(1u << 20, 6));
  const Status none = a.engine().make_room(soon(), {});
  EXPECT_TRUE(none.ok() || none.error().code() == Code::kNoSpace);
  EXPECT_FALSE(a.engine().makes_room()) << "whoever asks again is refused";
  a.remote().set_offline(false);
  a.sync();
}

TEST_F(SyncEngineTest, AWalkFindsWhatItComesToNextListedAlready) {
  SyncDevice& a = device("anna");
  for (int outer = 0; outer < 2; ++outer)
    for (int inner = 0; inner < 10; ++inner) {
      if (inner == 0) a.make_directory("d" + std::to_string(outer));
      a.make_directory("d" + std::to_string(outer) + "/e" + std::to_string(inner));
      a.write("d" + std::to_string(outer) + "/e" + std::to_string(inner) + "/f", "x");
    }
  a.sync();
  SyncDevice& b = device("berta");
  auto listed = [&](const std::string& path) {
    const InodeId id = b.node(path).id;
    MutexLock lock(b.store().mutex());
    return b.store().inode(lock, id)->listed;
  };
  auto comes = [&](const std::string& path) {
    for (int i = 0; i < 6000 && !listed(path); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return listed(path);
  };
  auto in_order = [&](const std::string& path) {   // of readdir, as a walk goes
    std::vector<std::string> paths;
    EXPECT_FALSE(b.exists(path + "/nothing"));
    Request request;
    auto entries = b.files().read_directory(request, b.node(path).id, 0, 100, false);
    EXPECT_TRUE(entries.ok());
    for (const DirectoryEntry& entry : *entries) paths.push_back(path + "/" + entry.name);
    return paths;
  };
  const auto first = in_order("d0");
  ASSERT_EQ(first.size(), 10u);
  EXPECT_TRUE(b.exists(first[0] + "/f"));
  EXPECT_FALSE(listed(first[1]));       // one directory looked at is no walk
  EXPECT_TRUE(b.exists(first[1] + "/f"));
  for (int i = 2; i < 6; ++i) EXPECT_TRUE(comes(first[i])) << i;
  EXPECT_FALSE(listed(first[9]));       // the window is small at first
  EXPECT_TRUE(b.exists(first[6] + "/f"));
  EXPECT_TRUE(comes(first[9]));         // and doubles
  const auto second = in_order("d1");   // the walk goes on next door: there it need not show itself again
  EXPECT_TRUE(comes(second[9]));
  expect_converged();
}

TEST_F(SyncEngineTest, ChangesOfASyncedTreeTravelBothWays) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.make_directory("d");
  a.write("d/f", "one");
  a.sync();
  b.catch_up();
  EXPECT_EQ(b.read("d/f"), "one");
  b.write("d/f", "two, and longer");
  b.rename("d/f", "g");
  b.remove_directory("d");
  b.sync();
  expect_converged();
  EXPECT_EQ(a.read("g"), "two, and longer");
  EXPECT_EQ(a.tree().size(), 1u);
}

TEST_F(SyncEngineTest, AForeignPutOnACleanFileShows) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  const std::string first = noise(2u << 20, 2);
  a.write("f", first);
  a.sync();
  b.catch_up();
  EXPECT_EQ(b.read("f"), first);
  a.write_at("f", 1000, "XYZ");
  a.sync();
  b.catch_up();
  std::string second = first;
  second.replace(1000, 3, "XYZ");
  EXPECT_TRUE(b.read("f") == second);
  EXPECT_EQ(b.engine().state_of(b.node("f").id), "synced");
}

TEST_F(SyncEngineTest, CreatedAndDeletedInOneBatchSendsNothing) {
  SyncDevice& a = device("anna");
  a.write("keep", "x");
  a.sync();
  const auto before = volume_.tree();
  a.remote().set_offline(true);
  a.write("temp", noise(1u << 20, 3));
  a.unlink("temp");
  a.remote().set_offline(false);
  a.sync();
  EXPECT_EQ(a.remote().packs, 0u);
  EXPECT_EQ(volume_.tree().size(), before.size());
  EXPECT_EQ(a.store().pending().records, 0u);
  // What comes to nothing at all (the directory's times moved above) makes no commit either.
  const std::size_t commits = volume_.server.commits();
  const auto mode = a.node("keep").attributes.mode & 07777;
  a.remote().set_offline(true);
  a.write("again", "");
  a.unlink("again");
  a.remote().set_offline(false);
  a.sync();
  EXPECT_LE(volume_.server.commits(), commits + 1);
  EXPECT_EQ(a.node("keep").attributes.mode & 07777, mode);
}

TEST_F(SyncEngineTest, EditsOnBothSidesAreKept) {
  auto [a, b] = two_apart("note.txt", "base");
  a.write("note.txt", "anna's");
  a.sync();
  b.write("note.txt", "berta's first");
  b.write("note.txt", "berta's second");
  b.remote().set_offline(false);
  b.sync();
  expect_converged();
  const auto tree = a.tree();
  ASSERT_EQ(tree.size(), 2u);
  EXPECT_EQ(tree.at("note.txt"), "anna's");
  const auto copy = std::find_if(tree.begin(), tree.end(), [](const auto& e) { return e.first != "note.txt"; });
  EXPECT_EQ(copy->second, "berta's second");
  EXPECT_EQ(copy->first.rfind("note (conflict berta ", 0), 0u) << copy->first;
  EXPECT_EQ(copy->first.substr(copy->first.size() - 4), ".txt");
  EXPECT_EQ(b.engine().state_of(b.node(copy->first).id), "conflict");
}

TEST_F(SyncEngineTest, TheSameBytesOnBothSidesAreNoConflict) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.catch_up();
  b.catch_up();
  b.tree();
  b.remote().set_offline(true);
  const std::string bytes = noise(3u << 20, 4);
  a.write("same", bytes);
  a.write("small", "equal");
  a.sync();
  b.write("same", bytes);
  b.write("small", "equal");
  b.remote().set_offline(false);
  b.sync();
  expect_converged();
  EXPECT_EQ(a.tree().size(), 2u);
}

TEST_F(SyncEngineTest, AnEditBeatsADelete) {
  auto [a, b] = two_apart("d/f", "base");
  a.unlink("d/f");
  a.remove_directory("d");
  a.sync();
  b.write("d/f", "edited");
  b.remote().set_offline(false);
  b.sync();
  expect_converged();
  EXPECT_EQ(a.read("d/f"), "edited");
}

// Renamed over a file that nobody else knows: the rename comes to nothing, and the file is there as before.
TEST_F(SyncEngineTest, WhatADroppedRenameReplacedHasItsBytes) {
  auto [a, b] = two_apart("f", "f");
  a.rename("f", "moved first");
  a.sync();
  const std::string bytes = noise(100000, 6);
  const InodeId replaced = b.write("mine", bytes);
  b.rename("f", "mine");
  b.files().forget(replaced);
  b.files().tick();
  b.remote().set_offline(false);
  b.sync();
  expect_converged();
  EXPECT_EQ(a.read("mine"), bytes);
  EXPECT_EQ(a.read("moved first"), "f");
}

TEST_F(SyncEngineTest, AConflictCopyTakesItsBytesWithoutSendingThemTwice) {
  auto [a, b] = two_apart("f", noise(5u << 20, 5));
  a.write_at("f", 0, "anna");
  a.sync();
  b.write_at("f", 3u << 20, "berta");
  b.remote().set_offline(false);
  b.sync();
  expect_converged();
  EXPECT_EQ(a.tree().size(), 2u);
}

TEST_F(SyncEngineTest, LostAnswersAndRepeatedRequestsChangeNothing) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.remote().repeat_commits = true;
  for (int i = 0; i < 5; ++i) {
    a.remote().lose_commit_answers = 1;
    a.write("f" + std::to_string(i), "content " + std::to_string(i));
    if (i > 0) a.rename("f" + std::to_string(i - 1), "g" + std::to_string(i - 1));
    a.remote().lose_commits = i % 2;
    for (int attempt = 0; attempt < 20; ++attempt) {
      try {
        a.sync();
        break;
      } catch (const std::runtime_error&) {
      }
    }
  }
  a.remote().refuse_commits = 3;
  b.write("mine", "b");
  b.sync();
  a.write("last", "a");
  a.sync();
  expect_converged();
  EXPECT_EQ(a.tree().size(), 7u);
}

TEST_F(SyncEngineTest, DamagedSegmentsAreSentAgainAlone) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.remote().damage_uploads = 2;
  const std::string bytes = noise(6u << 20, 6);
  a.tree();                        // listed
  a.remote().set_offline(true);    // else a slow machine sends what is half written, too
  a.write("f", bytes);
  a.remote().set_offline(false);
  a.sync();
  EXPECT_LT(a.remote().pack_bytes, (6u << 20) + (1u << 20)) << "whole blocks were sent again";
  b.catch_up();
  b.remote().damage_downloads = 2;
  EXPECT_TRUE(b.read("f") == bytes);
}

TEST_F(SyncEngineTest, ATransferMovesWithWhatTheServerHasStoredAndEndsWithIt) {
  // It moved with what was read, and ended when all was read, with up to 64 MiB still on their way.
  SyncDevice& a = device("anna");
  std::mutex mutex;
  std::condition_variable changed;
  int arrived = 0, let_through = 1;
  a.stop();
  a.remote().carry = [&](std::string_view call) -> Status {
    if (call != "pack") return {};
    std::unique_lock lock(mutex);
    const int number = arrived++;
    changed.notify_all();
    changed.wait(lock, [&] { return number < let_through; });
    return {};
  };
  a.start();
  constexpr std::uint64_t kSize = 24u << 20;
  a.tree();                        // listed
  a.remote().set_offline(true);    // else a slow machine sends what is half written, too
  const InodeId inode = a.write("f", noise(kSize, 11));
  a.remote().set_offline(false);
  std::jthread syncing([&] { EXPECT_NO_THROW(a.sync()); });
  auto release = [&](void*) {
    std::lock_guard lock(mutex);
    let_through = 1000;
    changed.notify_all();
  };
  std::unique_ptr<void, decltype(release)> at_the_end(&mutex, release);   // whatever fails below
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return arrived >= 2; }));
  }
  auto upload = [&] { return a.engine().status().transfers; };
  for (int i = 0; i < 1000 && (upload().empty() || upload().front().bytes_done == 0); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  // By now all of it is read and sealed.
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const auto held = upload();
  ASSERT_EQ(held.size(), 1u);
  EXPECT_TRUE(held[0].upload);
  EXPECT_EQ(held[0].inode, inode);
  EXPECT_EQ(held[0].path, "f");
  EXPECT_EQ(held[0].bytes_total, kSize);
  EXPECT_GT(held[0].bytes_done, 0u);
  EXPECT_LT(held[0].bytes_done, 13u << 20) << "one pack of 8 MiB is stored, of blocks of up to 4 MiB";
  EXPECT_EQ(a.engine().state_of(inode), "uploading");
  at_the_end.reset();
  syncing.join();
  EXPECT_TRUE(upload().empty());
  EXPECT_EQ(a.engine().state_of(inode), "synced");
  EXPECT_EQ(volume_.tree().at("f").bytes.size(), kSize);
  a.stop();
  a.remote().carry = {};
  a.start();
}

TEST_F(SyncEngineTest, ATransferOfWhatTheServerHasAlreadyEnds) {
  SyncDevice& a = device("anna");
  const std::string half = noise(3u << 20, 12);
  a.write("f", half);
  a.sync();
  a.write("again", half);                  // every block is known
  a.write("twice", half + half + half);    // and some are in it several times
  a.sync();
  EXPECT_TRUE(a.engine().status().transfers.empty());
}

TEST_F(SyncEngineTest, OneByteInFrontOfABigFileSendsLittle) {
  SyncDevice& a = device("anna");
  const std::string bytes = noise(32u << 20, 7);
  a.write("f", bytes);
  a.sync();
  const std::uint64_t before = a.remote().pack_bytes;
  a.write("f", "!" + bytes);
  a.sync();
  EXPECT_LT(a.remote().pack_bytes - before, 8u << 20);
  EXPECT_TRUE(volume_.tree().at("f").bytes == "!" + bytes);
}

TEST_F(SyncEngineTest, AChangeInTheMiddleSendsOnlyItsChunks) {
  SyncDevice& a = device("anna");
  std::string bytes = noise(32u << 20, 8);
  a.write("f", bytes);
  a.sync();
  const std::uint64_t before = a.remote().pack_bytes;
  a.write_at("f", 16u << 20, "changed");
  bytes.replace(16u << 20, 7, "changed");
  a.truncate("f", 31u << 20);
  bytes.resize(31u << 20);
  a.sync();
  EXPECT_LT(a.remote().pack_bytes - before, 12u << 20);
  EXPECT_TRUE(volume_.tree().at("f").bytes == bytes);
}

TEST_F(SyncEngineTest, ASecondCopyUploadsNoBlock) {
  SyncDevice& a = device("anna");
  const std::string bytes = noise(8u << 20, 9);
  a.write("f", bytes);
  a.sync();
  const std::uint64_t packs = a.remote().packs;
  a.remote().set_offline(true);   // a loaded machine would otherwise send a copy that is half written, with a chunk of its own
  a.write("copy", bytes);
  a.remote().set_offline(false);
  a.sync();
  EXPECT_EQ(a.remote().packs, packs);
  EXPECT_TRUE(volume_.tree().at("copy").bytes == bytes);
  EXPECT_GT(a.engine().status().deduplicated_blocks, 4u);
}

TEST_F(SyncEngineTest, HolesAreNotStored) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("sparse", "begin");
  a.truncate("sparse", 1ull << 34);
  a.write_at("sparse", (1ull << 34) - 3, "end");
  a.sync();
  EXPECT_LT(volume_.server.stored_bytes(), 4u << 20);
  b.catch_up();
  EXPECT_EQ(b.node("sparse").attributes.size, 1ull << 34);
  EXPECT_EQ(b.read("sparse", (1ull << 34) - 3, 10), "end");
  EXPECT_EQ(b.read("sparse", 1ull << 33, 4), std::string(4, '\0'));
}

TEST_F(SyncEngineTest, ARestartInTheMiddleGoesOn) {
  auto [a, b] = two_apart("f", "base");
  a.write("f", "anna's");
  a.sync();
  b.write("f", "berta's");
  b.write("more", noise(2u << 20, 10));
  b.stop();
  b.remote().set_offline(false);
  b.remote().lose_commit_answers = 1;
  b.start();
  b.remote().set_offline(true);
  b.stop();
  b.remote().set_offline(false);
  b.start();
  b.catch_up();
  expect_converged();
  EXPECT_EQ(a.tree().size(), 3u);
}

TEST_F(SyncEngineTest, ARenameIsNeverSeenWithoutItsData) {
  SyncDevice& a = device("anna");
  a.write("doc", std::string(5000, '0'));
  a.sync();
  std::string wrong;
  volume_.server.observe([&](const FakeVolumeServer& server) {
    const auto tree = server.plain_tree(volume_.cipher);
    auto it = tree.find("doc");
    if (it == tree.end()) wrong = "doc is missing";
    else if (it->second.bytes.size() != 5000 || it->second.bytes != std::string(5000, it->second.bytes[0]))
      wrong = "doc is half there: " + std::to_string(it->second.bytes.size());
  });
  for (char c = 'a'; c <= 'z'; ++c) {
    a.write("doc.tmp", std::string(5000, c));
    a.rename("doc.tmp", "doc");
    a.engine().wake();
  }
  a.sync();
  EXPECT_EQ(wrong, "");
  EXPECT_EQ(volume_.tree().at("doc").bytes, std::string(5000, 'z'));
}

TEST_F(SyncEngineTest, MoreContentsThanAreKeptArriveWholeAfterARefusal) {
  SyncDevice& a = device("anna");
  a.stop();
  a.options.kept_manifests = 2;
  a.start();
  a.write("first", "x");
  a.sync();
  a.remote().set_offline(true);
  for (int i = 0; i < 6; ++i) a.write("f" + std::to_string(i), noise(5000, i));
  a.remote().refuse_commits = 2;
  a.remote().set_offline(false);
  a.sync();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(volume_.tree().at("f" + std::to_string(i)).bytes, noise(5000, i)) << i;
  expect_converged();
}

/// A device that sent a large file heard nothing of others until it was through: hours, on a slow line.
TEST_F(SyncEngineTest, OthersChangesShowWhileALargeFileIsSent) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("mine", "1");
  a.sync();
  b.catch_up();
  b.read("mine");
  a.stop();
  HeldUpload upload(a);
  a.start();
  const std::string large = noise(16u << 20, 5);
  a.write("large", large);
  a.engine().wake();
  while (a.engine().status().uploaded_bytes == 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  // Again and again, also under the changes that wait.
  for (int i = 0; i < 3; ++i) {
    b.write("mine", "by berta " + std::to_string(i));
    b.write("new " + std::to_string(i), "2");
    b.sync();
    a.write("meanwhile " + std::to_string(i), "3");
    ASSERT_TRUE(a.engine().catch_up(SystemClock().monotonic() + std::chrono::seconds(3), {}).ok());
    EXPECT_EQ(a.read("mine"), "by berta " + std::to_string(i));
    EXPECT_TRUE(a.exists("new " + std::to_string(i)));
    ASSERT_TRUE(volume_.tree()["large"].bytes.empty());
  }
  upload.go_on();
  a.sync();
  EXPECT_TRUE(a.read("large") == large);
  EXPECT_EQ(a.engine().status().conflicts, 0u);
  EXPECT_LT(a.engine().status().uploaded_bytes, 2 * large.size()) << "what was stored was sent again";
  expect_converged();
}

/// The snapshot that a batch was planned on kept the database's log from starting over, for as long as its contents took.
TEST_F(SyncEngineTest, TheDatabaseStaysInBoundsWhileALargeFileIsSent) {
  SyncDevice& a = device("anna");
  a.stop();
  a.options.longest_plan = std::chrono::milliseconds(200);
  HeldUpload upload(a);
  a.start();
  a.write("large", noise(24u << 20, 5));
  a.engine().wake();
  while (a.engine().status().uploaded_bytes == 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::uintmax_t largest = 0;
  for (int i = 0; i < 300; ++i) {
    for (int j = 0; j < 100; ++j) a.symlink("nowhere", "link " + std::to_string(i) + "." + std::to_string(j));
    ASSERT_TRUE(a.store().checkpoint().ok());
    largest = std::max(largest, std::filesystem::file_size(directory_ + "/anna/state/metadata.db-wal"));
    std::this_thread::sleep_for(std::chrono::milliseconds(3));   // many plans come and go, however fast the machine
  }
  ASSERT_TRUE(volume_.tree()["large"].bytes.empty());
  EXPECT_LT(largest, 20u << 20);
}

/// Each batch became old before the file that never rests was got hold of: nothing was sent at all.
TEST_F(SyncEngineTest, AFileThatNeverRestsIsSentThoughBatchesBecomeOld) {
  SyncDevice& a = device("anna");
  a.stop();
  a.options.longest_plan = std::chrono::milliseconds(0);
  a.start();
  a.write("log", noise(2u << 20, 1));
  a.sync();
  const std::uint64_t before = volume_.server.commits();
  std::jthread writer([&](std::stop_token stop) {
    for (int i = 0; !stop.stop_requested(); ++i) {
      a.write_at("log", static_cast<std::uint64_t>(i % 500) * 4096, std::to_string(i));
      a.engine().wake();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));   // the processor is for who sends
    }
  });
  const Instant until = SystemClock().monotonic() + std::chrono::seconds(180);
  while (volume_.server.commits() < before + 3 && SystemClock().monotonic() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  writer = {};
  EXPECT_GE(volume_.server.commits(), before + 3);
  a.sync();
  expect_converged();
}

/// A batch that had become old three times was prepared with deaf ears: for hours, on a slow line. The line carries nothing
/// here until what the others sent shows.
TEST_F(SyncEngineTest, OthersChangesShowWhileAFileThatNeverRestsIsSent) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("log", noise(6u << 20, 1));
  a.sync();
  b.catch_up();
  const std::uint64_t before = volume_.server.commits();
  struct Gate {
    SyncDevice& device;
    std::mutex mutex{};
    std::condition_variable changed{};
    int arrived = 0, let_through = 0;
    bool open = false;
    explicit Gate(SyncDevice& gated) : device(gated) {
      device.stop();
      device.remote().carry = [this](std::string_view call) -> Status {
        if (call != "pack") return {};
        std::unique_lock lock(mutex);
        const int mine = ++arrived;
        changed.notify_all();
        changed.wait(lock, [&] { return open || mine <= let_through; });
        return {};
      };
      device.start();
    }
    void let_all_through() {
      std::lock_guard lock(mutex);
      open = true;
      changed.notify_all();
    }
    ~Gate() {
      let_all_through();
      device.stop();
      device.remote().carry = {};
      device.start();
    }
  } gate(a);
  const auto limit = std::chrono::seconds(60);
  a.write_at("log", 0, noise(3u << 20, 2));
  a.engine().wake();
  for (int i = 0; i < 8; ++i) {
    {
      std::unique_lock lock(gate.mutex);
      ASSERT_TRUE(gate.changed.wait_for(lock, limit, [&] { return gate.arrived > gate.let_through; })) << "round " << i;
    }
    a.write_at("log", static_cast<std::uint64_t>(i % 5) << 20, noise(1u << 20, static_cast<std::uint64_t>(100 + i)));
    a.engine().wake();
    const std::string name = "news " + std::to_string(i);
    b.write(name, "x");
    b.sync();
    const Instant until = SystemClock().monotonic() + limit;
    while (!a.exists(name) && SystemClock().monotonic() < until) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_TRUE(a.exists(name)) << "round " << i;
    std::lock_guard lock(gate.mutex);
    gate.let_through = gate.arrived;
    gate.changed.notify_all();
  }
  // And it got through all the same: with every round's copy, not when it came to rest.
  EXPECT_GT(volume_.server.commits(), before + 8) << "nothing but the others' was taken";
  gate.let_all_through();
  a.sync();
  expect_converged();
  EXPECT_EQ(a.engine().status().conflicts, 0u);
}

/// A program of before key proofs has sent it; after an upgrade the device took its own change for a forged one.
TEST_F(SyncEngineTest, AnOwnCommitWithoutAKeyProofIsTakenAfterAnUpgrade) {
  SyncDevice& a = device("anna");
  a.write("before", "1");
  a.sync();
  a.stop();
  a.options.own_thread = false;
  a.start();
  a.write("f", "mine");
  a.remote().carry_commit = [&](const SignedCommit& commit, const FakeVolumeRemote::Deliver& deliver) {
    Commit old = decode_commit(commit.payload).value();
    old.key_proof.reset();
    SignedCommit sent{encode_commit(old), {}};
    sent.signature = crypto::ed25519_sign(SyncDevice::key_of(1), commit_signing_input(sent.payload));
    EXPECT_TRUE(a.store().note_offered(Lsn{old.op.counter}, crypto::sha256(sent.payload)).ok());
    EXPECT_TRUE(deliver(sent).ok());
    return Result<protocol::CommitReply>(Error(Code::kOffline, "the answer got lost"));
  };
  EXPECT_FALSE(a.engine().step().ok());
  a.remote().carry_commit = {};
  a.stop();
  a.options.own_thread = true;
  a.start();
  a.write("g", "later");
  a.sync();
  EXPECT_FALSE(a.engine().status().stopped) << a.engine().status().reason;
  EXPECT_EQ(a.engine().status().conflicts, 0u);
  EXPECT_EQ(volume_.tree().size(), 3u);
  // The same change tells another device nothing that it could believe.
  SyncDevice& b = device("berta");
  EXPECT_EQ(b.read("f"), "mine");
}

TEST_F(SyncEngineTest, ManySmallFilesShareFewCommits) {
  SyncDevice& a = device("anna");
  a.make_directory("d");
  a.remote().set_offline(true);
  for (int i = 0; i < 2000; ++i) a.write("d/" + std::to_string(i), std::string(4096, static_cast<char>('a' + i % 26)));
  a.remote().set_offline(false);
  const auto start = std::chrono::steady_clock::now();
  a.sync();
  const auto took = std::chrono::steady_clock::now() - start;
  std::cout << "2000 files of 4 KiB: " << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms, "
            << volume_.server.commits() << " commits\n";
  EXPECT_LT(volume_.server.commits(), 12u);
  EXPECT_EQ(volume_.tree().size(), 2001u);
}

TEST_F(SyncEngineTest, AForgedOrLosingServerStopsTheEngineAndDeletesNothing) {
  auto [a, b] = two_apart("f", "x");
  a.write("g", "y");
  a.sync();
  volume_.server.damage_newest_entry();
  b.remote().set_offline(false);
  for (int i = 0; i < 500 && !b.engine().status().stopped; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(b.engine().status().stopped);
  EXPECT_NE(b.engine().status().reason.find("damaged or forged"), std::string::npos) << b.engine().status().reason;
  EXPECT_EQ(b.read("f"), "x");
  volume_.server.forget_newest(volume_.server.commits());
  a.engine().wake();
  for (int i = 0; i < 500 && !a.engine().status().stopped; ++i) {
    a.engine().wake();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(a.engine().status().stopped);
  EXPECT_NE(a.engine().status().reason.find("empty"), std::string::npos) << a.engine().status().reason;
  EXPECT_EQ(a.read("g"), "y");
}

TEST_F(SyncEngineTest, FetchesFailFastAndInTimeWhenTheServerIsAway) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("f", noise(1u << 20, 11));
  a.sync();
  b.catch_up();
  b.node("f");
  b.remote().set_offline(true);
  const InodeId inode = b.node("f").id;
  SystemClock clock;
  const Instant start = clock.monotonic();
  Status fetched = b.engine().fetch_content(inode, {0, 1u << 20}, start + std::chrono::seconds(20), {});
  EXPECT_EQ(fetched.error().code(), Code::kOffline);
  EXPECT_LT(clock.monotonic() - start, std::chrono::seconds(5));
  EXPECT_EQ(b.engine().state_of(inode), "remote-only");
  EXPECT_FALSE(b.engine().status().online);
  b.remote().set_offline(false);
  // For a second after a failure others fail at once, too: whoever asks again then is answered.
  fetched = Error(Code::kOffline, "not asked yet");
  while (!fetched.ok() && clock.monotonic() - start < std::chrono::seconds(10)) {
    fetched = b.engine().fetch_content(inode, {0, 1u << 20}, clock.monotonic() + std::chrono::seconds(20), {});
    if (!fetched.ok()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_TRUE(fetched.ok()) << fetched.error().to_string();
  b.read("f");
  EXPECT_EQ(b.engine().state_of(inode), "synced");
}

/// A line that stands still for a moment is not kept busy afterwards with what its readers have given up on.
TEST_F(SyncEngineTest, WhatNobodyWaitsForAnyMoreIsNotFetched) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  b.stop();
  b.options.parallel_transfers = 1;
  const auto held = std::make_shared<std::atomic<bool>>(false);
  b.remote().carry = [held](std::string_view call) -> Status {
    while (*held && call == "fetch") std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return {};
  };
  b.start();
  constexpr int kFiles = 20;
  for (int i = 0; i < kFiles; ++i) a.write("f" + std::to_string(i), noise(100000, 20 + i));
  a.sync();
  b.catch_up();
  b.paths();
  *held = true;
  SystemClock clock;
  for (int i = 0; i < kFiles; ++i) {
    const Status fetched = b.engine().fetch_content(b.inode_of("f" + std::to_string(i)), {0, 100000},
                                                    clock.monotonic() + std::chrono::milliseconds(20), {});
    ASSERT_FALSE(fetched.ok());
    EXPECT_EQ(fetched.error().code(), Code::kTimedOut);
  }
  *held = false;
  EXPECT_TRUE(b.read("f" + std::to_string(kFiles - 1)) == noise(100000, 20 + kFiles - 1));
  EXPECT_LE(b.remote().fetches, 3u) << "what was on its way, and what is read now";
  expect_converged();
}

}  // namespace
}  // namespace skymoor::client
