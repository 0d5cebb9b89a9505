// The command line of `skymoor`: words in, Invocation out. Of the client only this folder sees CLI11.
#pragma once
#include "fuse/app/command_line/arguments.h"

namespace skymoor::client {

struct ParsedCommandLine {
  std::optional<Invocation> invocation;   ///< nothing: print `text` and exit
  int exit_code = 0;
  std::string text;                       ///< help (exit code 0: standard output) or what is wrong (standard error)
};
/// `words` without the program's name. `mount.skymoor` as the program's name stands for `skymoor mount`.
ParsedCommandLine parse_command_line(const std::string& program, const std::vector<std::string>& words);

/// The commands as shell completion needs them.
struct OptionDescription {
  std::vector<std::string> names;         ///< with dashes
  std::string help;
  bool takes_value = false;
  bool takes_path = false;
};
struct CommandDescription {
  std::string name, help;
  std::vector<OptionDescription> options;
  std::vector<std::string> positionals;   ///< upper-case names: VOLUME, DIR, ...
  std::vector<CommandDescription> subcommands;
};
CommandDescription describe_command_line();

}  // namespace skymoor::client
