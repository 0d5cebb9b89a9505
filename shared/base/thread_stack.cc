#include "shared/base/thread_stack.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>

#include <boost/stacktrace.hpp>

namespace skymoor {
namespace {

constexpr std::size_t kFrames = 30, kFrameBytes = 160, kBytes = 4096;
enum : int { kFree, kAsked, kFilling, kFilled };

// Of the process, as signal handlers are. One question at a time; an answer that comes too late finds kFree.
std::mutex one_at_a_time;   // a leaf: nothing else is taken with it, no rank
std::atomic<int> asked_thread{0}, state{kFree};
std::array<void*, kFrames + 4> frames{};

int stack_signal() { return SIGRTMIN + 5; }

void on_signal(int) {
  const int error = errno;
  int expected = kAsked;
  if (asked_thread.load() == static_cast<int>(::syscall(SYS_gettid)) && state.compare_exchange_strong(expected, kFilling)) {
    boost::stacktrace::safe_dump_to(frames.data(), sizeof frames);
    state.store(kFilled);
  }
  errno = error;
}

std::string line_of(const char* file, int tid) {
  std::ifstream in("/proc/self/task/" + std::to_string(tid) + "/" + file);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text;
}

std::string in_the_kernel(int tid) {
  const std::string stack = line_of("stack", tid);   // root alone may read it
  std::string text = "in the kernel: " + (stack.empty() ? line_of("wchan", tid) : stack);
  text.resize(std::min(text.size(), kBytes));
  return text;
}

std::string describe(const boost::stacktrace::frame& frame) {
  std::string text = frame.name();
  if (text.empty()) text = to_string(frame);
  if (text.size() > kFrameBytes) text.resize(kFrameBytes);
  const std::string file = frame.source_file();
  if (!file.empty()) text += " (" + file.substr(file.rfind('/') + 1) + ":" + std::to_string(frame.source_line()) + ")";
  return text;
}

}  // namespace

void prepare_thread_stacks() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::array<void*, 4> dump{};
    boost::stacktrace::safe_dump_to(dump.data(), sizeof dump);   // the first call loads the unwinder
    struct sigaction action = {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    ::sigaction(stack_signal(), &action, nullptr);
  });
}

std::string stack_of_thread(int tid, std::chrono::milliseconds patience) {
  prepare_thread_stacks();
  std::lock_guard lock(one_at_a_time);
  frames.fill(nullptr);
  asked_thread = tid;
  state = kAsked;
  const auto until = std::chrono::steady_clock::now() + patience;
  bool there = ::syscall(SYS_tgkill, ::getpid(), tid, stack_signal()) == 0;
  while (there && state != kFilled && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  int expected = kAsked;
  if (state.compare_exchange_strong(expected, kFree)) return there ? in_the_kernel(tid) : "the thread is gone";
  while (state != kFilled) std::this_thread::sleep_for(std::chrono::milliseconds(1));   // it is on its way
  state = kFree;
  std::string text;
  // Above the call that was interrupted stand the handler and what the C library calls it by.
  constexpr std::size_t kHandler = 2;
  const auto all = boost::stacktrace::stacktrace::from_dump(frames.data(), sizeof frames);
  for (std::size_t i = std::min(kHandler, all.size()); i < all.size() && text.size() < kBytes; ++i)
    text += (text.empty() ? "" : " < ") + describe(all[i]);
  text.resize(std::min(text.size(), kBytes));
  return text;
}

}  // namespace skymoor
