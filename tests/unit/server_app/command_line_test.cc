#include <nlohmann/json.hpp>

#include "server_process.h"

namespace skymoor::server {
namespace {

using ::testing::HasSubstr;

class CommandLine : public ServerProcessTest {};

TEST_F(CommandLine, HelpForEveryCommand) {
  EXPECT_EQ(run({"--help"}).exit_code, 0);
  EXPECT_THAT(run({"--help"}).output, HasSubstr("Exit codes: 0 done, 1 failed or damage found, 2 wrong usage"));
  for (std::vector<std::string> command : {std::vector<std::string>{"serve"},
                                           {"admin"},
                                           {"admin", "user"},
                                           {"admin", "user", "list"},
                                           {"admin", "volume", "list"},
                                           {"admin", "user", "disable"},
                                           {"fingerprint"},
                                           {"config"},
                                           {"version"}}) {
    command.emplace_back("--help");
    auto help = run(command);
    EXPECT_EQ(help.exit_code, 0) << command.front();
    EXPECT_THAT(help.output, HasSubstr("Usage:"));
  }
  EXPECT_THAT(run({"serve", "--help"}).output, HasSubstr("--worker-threads"));
}

TEST_F(CommandLine, WrongUsageIs2) {
  EXPECT_EQ(run({}).exit_code, 2);
  EXPECT_EQ(run({"server"}).exit_code, 2);
  EXPECT_THAT(run({}).errors, HasSubstr("Usage: skymoord"));
  EXPECT_THAT(run({"server"}).errors, HasSubstr("skymoord: 'server' is no command; did you mean 'serve'?"));
  EXPECT_THAT(run({"admin"}).errors, HasSubstr("what to do is missing; the commands: user, volume\n'skymoord admin --help'"));
  EXPECT_THAT(run({"admin", "user", "remove"}).errors, HasSubstr("'remove' is no command; the commands: ls, disable"));
  EXPECT_EQ(run({"serve", "--no-such-option"}).exit_code, 2);
  EXPECT_THAT(run({"serve", "--lisen", "x"}).errors, HasSubstr("has no option '--lisen'; did you mean '--listen'?"));
  EXPECT_THAT(run({"admin", "user", "enable"}).errors, HasSubstr("NAME is required"));
  auto nowhere = run({"serve", "--config", directory_ / "none.toml"});
  EXPECT_EQ(nowhere.exit_code, 2);
  EXPECT_THAT(nowhere.errors, HasSubstr("none.toml: No such file"));
  auto value = run({"serve", "--data", data_, "--log-level", "loud"});
  EXPECT_EQ(value.exit_code, 2);
  EXPECT_THAT(value.errors, HasSubstr("error|warn|info|debug"));
  EXPECT_EQ(run({"serve", "--data", data_, "--listen", "nonsense"}).exit_code, 2);
  EXPECT_EQ(run({"serve", "--data", data_, "--listen", "no-address:1"}).exit_code, 2);
  EXPECT_EQ(run({"serve", "--data", data_, "--tls-key", "x"}).exit_code, 2);
}

TEST_F(CommandLine, AnUnknownKeyInTheFileNamesItsLine) {
  std::string file = directory_ / "skymoord.toml";
  std::ofstream(file) << "log-level = \"info\"\nlog-levle = \"debug\"\n";
  auto refused = run({"serve", "--data", data_, "--config", file});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.errors, HasSubstr(file + ":2"));
  EXPECT_THAT(refused.errors, HasSubstr("did you mean 'log-level'?"));
}

TEST_F(CommandLine, TheCommandLineWinsOverTheFile) {
  std::string file = directory_ / "skymoord.toml";
  std::ofstream(file) << "server-name = \"from.file\"\nallow-signup = false\n";
  start({"--config", file, "--allow-signup"});
  EXPECT_THAT(client().call("POST", "/api/auth/parameters", R"({"user":"ada"})").body, HasSubstr("from.file"));
  client().sign_up("ada", "words");
}

TEST_F(CommandLine, VersionConfigAndFingerprint) {
  EXPECT_THAT(run({"version"}).output, HasSubstr("skymoord "));
  EXPECT_THAT(run({"config"}).output, HasSubstr("#listen = \"0.0.0.0:7443\""));
  auto none = run({"fingerprint", "--data", data_});
  EXPECT_EQ(none.exit_code, 1);
  start();
  auto printed = run({"fingerprint", "--data", data_});
  EXPECT_EQ(printed.exit_code, 0);
  EXPECT_EQ(printed.output.size(), std::string("sha256:").size() + 64 + 1);
  EXPECT_THAT(text_of(log_), HasSubstr("fingerprint=" + printed.output.substr(0, printed.output.size() - 1)));
  auto json = nlohmann::json::parse(run({"fingerprint", "--data", data_, "--json"}).output);
  EXPECT_EQ(json.at("fingerprint").get<std::string>() + "\n", printed.output);
}

}  // namespace
}  // namespace skymoor::server
