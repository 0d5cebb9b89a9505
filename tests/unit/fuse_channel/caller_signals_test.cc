#include "fuse/channel/caller_signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace skymoor::client {
namespace {

std::string mask(std::initializer_list<int> signals) {
  unsigned long long set = 0;
  for (int signal : signals) set |= 1ull << (signal - 1);
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", set);
  return text;
}

struct Status {
  std::initializer_list<int> own = {}, shared = {}, blocked = {}, ignored = {}, caught = {};
  std::string text() const {
    return "Name:\tcat\nSigQ:\t0/62\nSigPnd:\t" + mask(own) + "\nShdPnd:\t" + mask(shared) + "\nSigBlk:\t" + mask(blocked) +
           "\nSigIgn:\t" + mask(ignored) + "\nSigCgt:\t" + mask(caught) + "\nCapInh:\t0\n";
  }
};

TEST(CallerSignalsTest, WhatEndsTheProcessEndsTheCall) {
  EXPECT_TRUE(signals_end_call(Status{.own = {SIGKILL}}.text()));
  EXPECT_TRUE(signals_end_call(Status{.shared = {SIGKILL}, .blocked = {SIGUSR1}}.text()));
  for (int signal : {SIGINT, SIGTERM, SIGQUIT, SIGSEGV, SIGUSR1, SIGALRM, SIGPIPE, SIGRTMIN, SIGRTMAX})
    EXPECT_TRUE(signals_end_call(Status{.shared = {signal}}.text())) << signal;
}

TEST(CallerSignalsTest, WhatEndsNothingDoesNot) {
  EXPECT_FALSE(signals_end_call(Status{}.text())) << "a stop and a wake-up leave nothing pending";
  for (int signal : {SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU})
    EXPECT_FALSE(signals_end_call(Status{.shared = {signal}}.text())) << signal;
  for (int signal : {SIGCHLD, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGRTMIN})
    EXPECT_FALSE(signals_end_call(Status{.own = {signal}, .caught = {signal}}.text())) << signal;
  EXPECT_FALSE(signals_end_call(Status{.shared = {SIGTERM}, .blocked = {SIGTERM}}.text()));
  EXPECT_FALSE(signals_end_call(Status{.shared = {SIGTERM}, .ignored = {SIGTERM}}.text()));
}

TEST(CallerSignalsTest, WhatAsksAProgramToEndDoesThoughItHasAHandler) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
    EXPECT_TRUE(signals_end_call(Status{.shared = {signal}, .caught = {signal, SIGCHLD}}.text())) << signal;
}

TEST(CallerSignalsTest, WhoCannotBeSeenMayGo) {
  EXPECT_TRUE(signals_end_call(""));
  EXPECT_TRUE(signals_end_call("SigPnd:\tx\n"));
  EXPECT_TRUE(caller_wants_out(0));
  EXPECT_TRUE(caller_wants_out(-1));
}

TEST(CallerSignalsTest, ARealProcessIsRead) {
  EXPECT_FALSE(caller_wants_out(::getpid()));
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  EXPECT_FALSE(caller_wants_out(child));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(caller_wants_out(child)) << "it is gone";
}

}  // namespace
}  // namespace skymoor::client
