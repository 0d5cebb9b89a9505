#include "fuse/app/command_line/completion.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

std::string output_of(const std::string& command) {
  std::string out;
  if (FILE* pipe = ::popen((command + " 2>&1").c_str(), "r")) {
    char piece[4096];
    while (std::size_t n = std::fread(piece, 1, sizeof piece, pipe)) out.append(piece, n);
    ::pclose(pipe);
  }
  return out;
}

TEST(Completion, BashCompletesCommandsOptionsAndPaths) {
  testing::TempDir directory;
  const std::string file = directory / "completion";
  std::ofstream(file) << *completion_script("bash", describe_command_line());
  auto complete = [&](const std::string& words, int at) {
    return output_of("bash -c 'source " + file + "; COMP_WORDS=(" + words + "); COMP_CWORD=" + std::to_string(at) +
                     "; _skymoor; echo ${COMPREPLY[@]}'");
  };
  EXPECT_EQ(complete("skymoor mo", 1), "mount\n");
  EXPECT_EQ(complete("skymoor volume cr", 2), "create\n");
  EXPECT_EQ(complete("skymoor mount --fore", 2), "--foreground\n");
  EXPECT_EQ(complete("skymoor signup --password-file " + directory.path() + "/comp", 3), file + "\n");
  EXPECT_EQ(complete("skymoor umount " + directory.path() + "/comp", 2), file + "\n");
}

TEST(Completion, EveryShellHasEveryCommand) {
  const auto program = describe_command_line();
  for (const char* shell : {"bash", "zsh", "fish"}) {
    auto script = completion_script(shell, program);
    ASSERT_TRUE(script.ok());
    for (const auto& command : program.subcommands)
      EXPECT_NE(script->find(command.name), std::string::npos) << shell << " " << command.name;
  }
  EXPECT_FALSE(completion_script("tcsh", program).ok());
}

}  // namespace
}  // namespace skymoor::client
