#include <signal.h>
#include <sys/stat.h>

#include <cstdio>

#include "fuse/app/command_line/command_line.h"
#include "fuse/app/commands/commands.h"
#include "shared/base/log.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {

Result<LoggedIn> logged_in(CommandContext& context) {
  LoggedIn in;
  in.account = TRY(load_account(context.disk, context.paths.account_file()));
  in.server = TRY(ServerConnection::open(context.disk, context.clock, context.paths, in.account));
  return in;
}

namespace {

Result<ExitCode> run(const Invocation& invocation, Console& console) {
  PosixDisk disk;
  SystemClock clock;
  SystemRandom random;
  CommandContext context{console, TRY(StatePaths::resolve(invocation.state_directory, "", process_environment())), disk,
                         clock, random};
  return std::visit([&](const auto& arguments) { return run_command(arguments, context); }, invocation.command);
}

/// The first line, without the program's name.
std::string what_is_wrong_in(std::string text) {
  text.erase(std::min(text.find('\n'), text.size()));
  constexpr std::string_view kProgram = "skymoor: ";
  return text.starts_with(kProgram) ? text.substr(kProgram.size()) : text;
}

}  // namespace

int run_program(const std::string& program, const std::vector<std::string>& words) {
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(077);
  const ParsedCommandLine parsed = parse_command_line(program, words);
  if (!parsed.invocation) {
    std::fputs(parsed.text.c_str(), parsed.exit_code == 0 ? stdout : stderr);
    if (parsed.exit_code != 0 && std::find(words.begin(), words.end(), "--json") != words.end())
      Console(true).result(protocol::dump(
          {{"ok", false}, {"code", wire_name_of(Code::kInvalidArgument)}, {"message", what_is_wrong_in(parsed.text)}}));
    return parsed.exit_code;
  }
  (void)configure_log({.level = "error"});   // commands say themselves what went wrong; a mount has a log of its own
  Console console(parsed.invocation->json);
  auto code = run(*parsed.invocation, console);
  if (code.ok()) return static_cast<int>(*code);
  console.failure(code.error());
  return static_cast<int>(exit_code_of(code.error().code()));
}

}  // namespace skymoor::client
