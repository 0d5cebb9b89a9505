// A real `skymoord` as a child process, and short commands of it.
#pragma once
#include <fcntl.h>
#include <gmock/gmock.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "tests/support/api_client.h"
#include "tests/support/temp_dir.h"

namespace skymoor::server {

using testing_support::ApiClient;
using testing_support::HttpAnswer;
using testing_support::RawHttp;

inline std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct CommandOutcome {
  int exit_code = -1;
  std::string output, errors;
};

class ServerProcessTest : public ::testing::Test {
 protected:
  void TearDown() override {
    if (pid_ > 0) end(SIGKILL);
  }

  /// Starts `skymoord serve` on a free port and waits until it answers.
  void start(std::vector<std::string> more = {}) {
    std::filesystem::remove(port_file_);
    std::vector<std::string> words{"serve",       "--data",    data_,           "--listen", "127.0.0.1:0",
                                   "--port-file", port_file_, "--scrypt-log-n", "4"};
    words.insert(words.end(), more.begin(), more.end());
    pid_ = spawn(words, log_, log_);
    for (int i = 0; i < 2000 && text_of(port_file_).empty(); ++i) {
      ASSERT_EQ(::waitpid(pid_, nullptr, WNOHANG), 0) << text_of(log_);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    port_ = static_cast<std::uint16_t>(std::stoi(text_of(port_file_)));
  }
  /// Sends the signal and waits; the exit code, or minus the signal that ended it.
  int end(int signal) {
    ::kill(pid_, signal);
    return wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  /// Runs a command to its end.
  CommandOutcome run(const std::vector<std::string>& words) {
    std::string output = directory_ / "out", errors = directory_ / "err";
    int status = 0;
    ::waitpid(spawn(words, output, errors), &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), text_of(output), text_of(errors)};
  }

  ApiClient client() { return ApiClient(port_, RawHttp::Security::kTls); }

  /// `output` is appended to when it is also `errors`.
  static pid_t spawn(const std::vector<std::string>& words, const std::string& output, const std::string& errors) {
    std::vector<char*> arguments{const_cast<char*>(SKYMOORD_PROGRAM)};
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    int mode = O_WRONLY | O_CREAT | (output == errors ? O_APPEND : O_TRUNC);
    posix_spawn_file_actions_addopen(&files, 1, output.c_str(), mode, 0600);
    if (output == errors) posix_spawn_file_actions_adddup2(&files, 1, 2);
    else posix_spawn_file_actions_addopen(&files, 2, errors.c_str(), mode, 0600);
    pid_t pid = -1;
    EXPECT_EQ(::posix_spawn(&pid, SKYMOORD_PROGRAM, &files, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
    return pid;
  }

  testing::TempDir directory_;
  const std::string data_ = directory_ / "data", log_ = directory_ / "log", port_file_ = directory_ / "port";
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace skymoor::server
