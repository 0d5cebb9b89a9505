// Notices to the kernel, from a process that has nothing to keep. The test's kernel is a socket.
#include "fuse/app/host/notifier.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <future>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace skymoor::client {
namespace {

struct Pair {
  Pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    left = UniqueFd(ends[0]);
    right = UniqueFd(ends[1]);
  }
  UniqueFd left, right;
};

int notify(NotifierLink& link, std::string head, std::string tail) {
  const iovec parts[2] = {{head.data(), head.size()}, {tail.data(), tail.size()}};
  return link.notify(parts, 2);
}

TEST(Notifier, WritesEachMessageWholeAndTellsHowThatWent) {
  Pair line, kernel;
  std::thread notifier([&] { run_notifier(kernel.left.get(), line.right.get()); });
  {
    NotifierLink link(std::move(line.left), 1);
    EXPECT_EQ(notify(link, "head", "tail"), 0);
    char got[64];
    EXPECT_EQ(std::string(got, static_cast<std::size_t>(::recv(kernel.right.get(), got, sizeof got, 0))), "headtail");
    kernel.right.reset();
    ::signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(notify(link, "more", ""), EPIPE);
  }
  notifier.join();   // it ends with the last who could ask
}

TEST(Notifier, SaysThatNobodyIsLeftThoughANoticeWaits) {
  Pair line, kernel;
  int room = 4096;   // a few messages; the next one waits until somebody reads
  ASSERT_EQ(::setsockopt(kernel.left.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
  ::signal(SIGPIPE, SIG_IGN);
  std::promise<void> told;
  std::thread notifier([&] { run_notifier(kernel.left.get(), line.right.get(), [&] { told.set_value(); }); });
  const std::string message(3000, 'x');
  for (int i = 0; i < 12; ++i) ASSERT_GT(::send(line.left.get(), message.data(), message.size(), 0), 0);
  auto future = told.get_future();
  EXPECT_EQ(future.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout) << "as long as somebody may ask";
  line.left.reset();
  EXPECT_EQ(future.wait_for(std::chrono::seconds(60)), std::future_status::ready);
  kernel.right.reset();   // as an aborted connection does
  notifier.join();
}

TEST(Notifier, AnAnswerToADeadWorkersMessageIsNotOurs) {
  Pair line, kernel;
  ASSERT_GT(::send(line.left.get(), "\x2a\0\0\0\0\0\0\0late", 12, 0), 0);
  std::thread notifier([&] { run_notifier(kernel.left.get(), line.right.get()); });
  {
    NotifierLink link(std::move(line.left), 7);
    EXPECT_EQ(notify(link, "ours", ""), 0);
  }
  notifier.join();
  char got[64];
  std::set<std::string> messages;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(::recv(kernel.right.get(), got, sizeof got, 0), 4);
    messages.emplace(got, 4);
  }
  EXPECT_EQ(messages, (std::set<std::string>{"late", "ours"}));
}

TEST(Notifier, OneThatWaitsHoldsUpNoOther) {
  Pair line, kernel;
  // The kernel takes a few large messages, then writes wait until somebody reads.
  int room = 4096;
  ASSERT_EQ(::setsockopt(kernel.left.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
  std::jthread notifier([&] { run_notifier(kernel.left.get(), line.right.get()); });
  NotifierLink link(std::move(line.left), 1);
  std::atomic<int> done{0};
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 6; ++i)
      callers.emplace_back([&] {
        EXPECT_EQ(notify(link, std::string(3000, 'x'), ""), 0);
        ++done;
      });
    char got[4096];
    for (int i = 0; i < 6; ++i) EXPECT_EQ(::recv(kernel.right.get(), got, sizeof got, 0), 3000);
  }
  EXPECT_EQ(done, 6) << "each has its own answer";
  ::shutdown(link.fd(), SHUT_RDWR);
}

TEST(Notifier, WithoutOneTheWorkerIsToldSo) {
  Pair line;
  line.right.reset();
  NotifierLink link(std::move(line.left), 1);
  EXPECT_EQ(notify(link, "x", ""), EPIPE);
}

TEST(Notifier, WhoStopsDoesNotWaitForTheKernel) {
  Pair line;   // nobody reads
  NotifierLink link(std::move(line.left), 1);
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    link.stop();
  });
  EXPECT_EQ(notify(link, "x", ""), ECANCELED);
  stopper.join();
}

}  // namespace
}  // namespace skymoor::client
