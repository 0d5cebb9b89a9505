// Who reads next: one thread as long as requests are quick, another when one takes long.
#include "fuse/channel/read_turn.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace skymoor::client {
namespace {

std::vector<char> request(std::uint32_t opcode, std::size_t body_bytes = 64) {
  std::vector<char> bytes(sizeof(fuse_in_header) + body_bytes);
  fuse_in_header header = {};
  header.len = static_cast<std::uint32_t>(bytes.size());
  header.opcode = opcode;
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

bool quick(const std::vector<char>& bytes) { return ReadTurn::is_quick(bytes.data(), bytes.size()); }

TEST(ReadTurnTest, WhatMayTakeLongIsNotQuick) {
  EXPECT_TRUE(quick(request(FUSE_LOOKUP)));
  EXPECT_TRUE(quick(request(FUSE_UNLINK)));
  EXPECT_FALSE(quick(request(FUSE_FSYNC)));
  EXPECT_FALSE(quick(request(FUSE_READ)));
  EXPECT_FALSE(quick(request(FUSE_FALLOCATE)));
  EXPECT_FALSE(quick(request(9999)));
  EXPECT_FALSE(quick(request(FUSE_CREATE)));
  EXPECT_FALSE(quick(request(FUSE_WRITE)));
  EXPECT_FALSE(quick(request(FUSE_RELEASE)));
  EXPECT_FALSE(ReadTurn::is_quick("short", 5));

  auto setattr = request(FUSE_SETATTR, sizeof(fuse_setattr_in));
  EXPECT_TRUE(quick(setattr));
  fuse_setattr_in size = {};
  size.valid = FATTR_SIZE;
  std::memcpy(setattr.data() + sizeof(fuse_in_header), &size, sizeof size);
  EXPECT_FALSE(quick(setattr));
}

/// Two threads that read one pipe by turns, as the channel's do; requests are one byte, and `work` is done with each.
class Readers {
 public:
  explicit Readers(std::function<void(std::uint32_t)> work) : work_(std::move(work)) {
    EXPECT_EQ(::pipe2(pipe_, O_CLOEXEC), 0);
    for (int i = 0; i < 2; ++i)
      threads_.emplace_back([this] {
        for (;;) {
          turn.wait();
          ++reading;
          std::uint8_t opcode = 0;
          const ssize_t n = ::read(pipe_[0], &opcode, 1);
          --reading;
          if (n <= 0) return;
          const auto bytes = request(opcode);
          turn.got(bytes.data(), static_cast<ssize_t>(bytes.size()));
          work_(opcode);
          ++done;
        }
      });
  }
  ~Readers() {
    ::close(pipe_[1]);
    turn.stop();
    threads_.clear();
    ::close(pipe_[0]);
  }
  void send(std::uint32_t opcode) {
    const auto byte = static_cast<std::uint8_t>(opcode);
    ASSERT_EQ(::write(pipe_[1], &byte, 1), 1);
  }
  static bool soon(const std::function<bool()>& what) {
    for (int i = 0; i < 5000 && !what(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return what();
  }

  ReadTurn turn;
  std::atomic<int> reading{0}, done{0};

 private:
  int pipe_[2] = {-1, -1};
  std::function<void(std::uint32_t)> work_;
  std::vector<std::jthread> threads_;
};

TEST(ReadTurnTest, QuickRequestsAreReadByOneThread) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::atomic<int> most{0};
  Readers* all = nullptr;
  Readers readers([&](std::uint32_t) {
    if (all && all->reading > most) most = all->reading.load();
    std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  all = &readers;
  for (int i = 0; i < 200; ++i) readers.send(FUSE_GETATTR);
  EXPECT_TRUE(Readers::soon([&] { return readers.done == 200; }));
  std::lock_guard lock(mutex);
  EXPECT_EQ(threads.size(), 1u);
  EXPECT_EQ(most, 0) << "nobody else reads meanwhile";
}

TEST(ReadTurnTest, BesideALongRequestTheNextIsRead) {
  std::atomic<bool> go_on{false};
  Readers readers([&](std::uint32_t opcode) {
    while (opcode == FUSE_FSYNC && !go_on) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  readers.send(FUSE_FSYNC);
  readers.send(FUSE_GETATTR);
  EXPECT_TRUE(Readers::soon([&] { return readers.done == 1; }));
  go_on = true;
  EXPECT_TRUE(Readers::soon([&] { return readers.done == 2; }));
  for (int i = 0; i < 20; ++i) readers.send(i % 2 == 0 ? FUSE_FSYNC : FUSE_GETATTR);
  EXPECT_TRUE(Readers::soon([&] { return readers.done == 22; }));
}

TEST(ReadTurnTest, AQuickRequestThatIsNotHoldsUpNobodyForLong) {
  std::atomic<bool> go_on{false}, held{false};
  Readers readers([&](std::uint32_t opcode) {
    while (opcode == FUSE_RENAME && !go_on) {
      held = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  readers.send(FUSE_RENAME);
  EXPECT_TRUE(Readers::soon([&] { return held.load(); }));
  readers.send(FUSE_GETATTR);
  std::this_thread::sleep_for(ReadTurn::kTooLong / 4);
  EXPECT_EQ(readers.done, 0);
  EXPECT_TRUE(Readers::soon([&] {
    readers.turn.look_after();
    return readers.done == 1;
  }));
  go_on = true;
  for (int i = 0; i < 20; ++i) readers.send(FUSE_GETATTR);
  EXPECT_TRUE(Readers::soon([&] { return readers.done == 22; }));
}

TEST(ReadTurnTest, AfterTheStopNobodyWaits) {
  ReadTurn turn;
  turn.wait();
  std::jthread other([&] { turn.wait(); });
  turn.stop();
  other.join();
}

}  // namespace
}  // namespace skymoor::client
