#include "fuse/app/command_line/command_line.h"

#include <gtest/gtest.h>

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

template <typename Arguments>
Arguments parse(const std::vector<std::string>& words, const std::string& program = "skymoor") {
  auto parsed = parse_command_line(program, words);
  EXPECT_TRUE(parsed.invocation.has_value()) << parsed.text;
  if (!parsed.invocation) return {};
  const auto* arguments = std::get_if<Arguments>(&parsed.invocation->command);
  EXPECT_NE(arguments, nullptr);
  return arguments ? *arguments : Arguments{};
}

TEST(CommandLine, Signup) {
  const auto a = parse<SignupArguments>({"signup", "https://h:1", "ada", "--password-file", "-", "--trust-first",
                                         "--recovery-file", "/r", "--no-volume"});
  EXPECT_EQ(a.url, "https://h:1");
  EXPECT_EQ(a.user, "ada");
  EXPECT_EQ(a.password_file, "-");
  EXPECT_EQ(a.recovery_file, "/r");
  EXPECT_TRUE(a.trust_first);
  EXPECT_TRUE(a.no_volume);
  EXPECT_FALSE(a.allow_weak_password);
}

TEST(CommandLine, LoginNeedsNothing) { EXPECT_EQ(parse<LoginArguments>({"login"}).url, ""); }

TEST(CommandLine, MountTakesOptionsInSeveralPieces) {
  const auto a = parse<MountArguments>({"mount", "home", "/d", "-o", "ro,allow_other", "-o", "cache-size=1GiB", "-f"});
  EXPECT_EQ(a.volume, "home");
  EXPECT_EQ(a.directory, "/d");
  EXPECT_EQ(a.options, (std::vector<std::string>{"ro,allow_other", "cache-size=1GiB"}));
  EXPECT_TRUE(a.foreground);
}

TEST(CommandLine, ConflictsListsUnlessItIsToldToResolve) {
  EXPECT_EQ(parse<ConflictsListArguments>({"conflicts"}).path, "");
  EXPECT_EQ(parse<ConflictsListArguments>({"conflicts", "/d/letters"}).path, "/d/letters");
  const auto a = parse<ConflictsResolveArguments>({"conflicts", "resolve", "/d/note", "--keep", "mine", "--timeout", "5s"});
  EXPECT_EQ(a.path, "/d/note");
  EXPECT_EQ(a.keep, "mine");
  EXPECT_EQ(a.timeout, 5s);
  EXPECT_FALSE(parse_command_line("skymoor", {"conflicts", "resolve", "/d/note"}).invocation);
  EXPECT_FALSE(parse_command_line("skymoor", {"conflicts", "resolve", "/d/note", "--keep", "ours"}).invocation);
}

TEST(CommandLine, RestoreTakesAVersionOrATime) {
  const auto a = parse<RestoreArguments>({"restore", "/d/f", "--at", "2026-03-01 12:00", "--to", "x"});
  EXPECT_EQ(a.path, "/d/f");
  EXPECT_EQ(a.at, "2026-03-01 12:00");
  EXPECT_EQ(a.to, "x");
  EXPECT_FALSE(a.all);
  EXPECT_FALSE(parse_command_line("skymoor", {"restore", "/d/f", "--at", "1h", "--version", "3"}).invocation);
  EXPECT_EQ(parse<TrashArguments>({"trash"}).directory, ".");
}

TEST(CommandLine, PinsAreMadeOrListed) {
  EXPECT_TRUE(parse<PinArguments>({"pin", "/d/x", "--wait"}).wait);
  EXPECT_TRUE(parse<PinArguments>({"pin", "--list"}).list);
  EXPECT_FALSE(parse_command_line("skymoor", {"pin", "--list", "--wait"}).invocation);
  EXPECT_EQ(parse<UnpinArguments>({"unpin", "/d/x"}).path, "/d/x");
}

TEST(CommandLine, OptionsMayStandAnywhere) {
  const auto a = parse<MountArguments>({"mount", "-o", "ro", "home", "/d"});
  EXPECT_EQ(a.volume, "home");
  EXPECT_EQ(a.directory, "/d");
}

TEST(CommandLine, MountHelperIsMount) {
  // mount(8): mount.skymoor VOLUME DIR -o options, with -s and -v of its own.
  const auto a = parse<MountArguments>({"home", "/d", "-s", "-v", "-o", "rw,nosuid"}, "/sbin/mount.skymoor");
  EXPECT_EQ(a.volume, "home");
  EXPECT_EQ(a.options, std::vector<std::string>{"rw,nosuid"});
  EXPECT_FALSE(a.foreground);
  const auto read_only = parse<MountArguments>({"home", "/d", "-n", "-r"}, "mount.skymoor");
  EXPECT_EQ(read_only.options, std::vector<std::string>{"ro"});
  auto fake = parse_command_line("mount.skymoor", {"home", "/d", "-f"});
  EXPECT_FALSE(fake.invocation);
  EXPECT_EQ(fake.exit_code, 0);
}

TEST(CommandLine, Durations) {
  EXPECT_EQ(parse<SyncArguments>({"sync", "/d", "--timeout", "300s"}).timeout, 300s);
  EXPECT_EQ(parse<SyncArguments>({"sync", "--timeout", "1500ms"}).timeout, 1500ms);
  EXPECT_EQ(parse<SyncArguments>({"sync"}).timeout, std::nullopt);
  EXPECT_EQ(parse<UmountArguments>({"umount", "/d", "--wait", "--timeout", "2m"}).timeout, 2min);
  EXPECT_EQ(parse_command_line("skymoor", {"sync", "--timeout", "soon"}).exit_code, 2);
}

TEST(CommandLine, NestedCommands) {
  EXPECT_EQ(parse<VolumeCreateArguments>({"volume", "create", "photos"}).name, "photos");
  parse<VolumeListArguments>({"volume", "ls"});
  parse<DevicesListArguments>({"devices", "ls"});
  EXPECT_EQ(parse<DevicesRevokeArguments>({"devices", "revoke", "old"}).device, "old");
}

TEST(CommandLine, CommonOptionsStandBeforeOrAfterTheCommand) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"status", "--json", "--state-dir", "/s"},
                                                                 {"--json", "--state-dir", "/s", "status"}}) {
    auto parsed = parse_command_line("skymoor", words);
    ASSERT_TRUE(parsed.invocation) << parsed.text;
    EXPECT_TRUE(parsed.invocation->json);
    EXPECT_EQ(parsed.invocation->state_directory, "/s");
  }
}

TEST(CommandLine, WrongUsageIsExitCodeTwoAndSaysWhat) {
  for (const auto& words : std::vector<std::vector<std::string>>{{},
                                                                 {"frobnicate"},
                                                                 {"mount"},
                                                                 {"mount", "home"},
                                                                 {"mount", "--no-such-option"},
                                                                 {"volume"},
                                                                 {"signup", "url"},
                                                                 {"completion", "tcsh"}}) {
    auto parsed = parse_command_line("skymoor", words);
    EXPECT_FALSE(parsed.invocation);
    EXPECT_EQ(parsed.exit_code, 2);
    EXPECT_FALSE(parsed.text.empty());
  }
}

TEST(CommandLine, AWrongWordIsNamedWithTheRightOnes) {
  auto text = [](const std::vector<std::string>& words) { return parse_command_line("skymoor", words).text; };
  EXPECT_EQ(text({}).find("Skymoor"), 0u) << "no word at all: the help";
  EXPECT_EQ(text({"stauts"}), "skymoor: 'stauts' is no command; did you mean 'status'?\n'skymoor --help' tells more.\n");
  EXPECT_NE(text({"frobnicate"}).find("'frobnicate' is no command; the commands: signup, login"), std::string::npos);
  EXPECT_NE(text({"--state-dir", "/s", "stauts"}).find("'stauts' is no command"), std::string::npos);
  EXPECT_NE(text({"volume", "new"}).find("'new' is no command; the commands: create, ls\n'skymoor volume --help'"),
            std::string::npos);
  EXPECT_NE(text({"volume"}).find("the commands: create, ls"), std::string::npos);
  EXPECT_EQ(text({"status", "--jason"}),
            "skymoor: 'skymoor status' has no option '--jason'; did you mean '--json'?\n'skymoor status --help' tells more.\n");
  EXPECT_NE(text({"mount", "home", "/d", "--opt", "ro"}).find("'skymoor mount' has no option '--opt'"), std::string::npos);
  EXPECT_NE(text({"umount", "/d", "/e"}).find("'/e' is one argument too many"), std::string::npos);
  EXPECT_NE(text({"status", "--state-dir"}).find("--state-dir needs a value"), std::string::npos);
  EXPECT_NE(text({"mount", "home"}).find("skymoor: DIR is required"), std::string::npos);
}

TEST(CommandLine, VersionIsAnOptionToo) {
  const auto parsed = parse_command_line("skymoor", {"--version"});
  EXPECT_EQ(parsed.exit_code, 0);
  EXPECT_EQ(parsed.text.find("skymoor "), 0u);
}

TEST(CommandLine, EveryCommandHasHelpWithUsageAndExamples) {
  auto help = parse_command_line("skymoor", {"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_NE(help.text.find("Usage"), std::string::npos);
  EXPECT_NE(help.text.find("Exit codes"), std::string::npos);
  for (const auto& command : describe_command_line().subcommands) {
    EXPECT_NE(help.text.find(command.name), std::string::npos);
    auto own = parse_command_line("skymoor", {command.name, "--help"});
    EXPECT_EQ(own.exit_code, 0) << command.name;
    EXPECT_NE(own.text.find("Usage"), std::string::npos) << command.name;
    EXPECT_NE(own.text.find("Examples"), std::string::npos) << command.name;
    EXPECT_NE(own.text.find("--json"), std::string::npos) << command.name;
  }
  EXPECT_NE(parse_command_line("skymoor", {"mount", "--help"}).text.find("cache-size"), std::string::npos);
}

TEST(CommandLine, NoOptionTakesAPasswordItself) {
  for (const auto& command : describe_command_line().subcommands)
    for (const auto& option : command.options)
      for (const auto& name : option.names) EXPECT_NE(name, "--password");
}

}  // namespace
}  // namespace skymoor::client
