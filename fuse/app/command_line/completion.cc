#include "fuse/app/command_line/completion.h"

namespace skymoor::client {
namespace {

std::string joined_words(const CommandDescription& command) {
  std::string words;
  for (const auto& sub : command.subcommands) words += sub.name + " ";
  for (const auto& option : command.options)
    for (const auto& name : option.names) words += name + " ";
  if (!words.empty()) words.pop_back();
  return words;
}

/// Calls `each` for every command with the words that lead to it ("volume create").
template <typename Each>
void walk(const CommandDescription& command, const std::string& path, Each each) {
  each(command, path);
  for (const auto& sub : command.subcommands) walk(sub, path.empty() ? sub.name : path + " " + sub.name, each);
}

bool completes_paths(const CommandDescription& command) {
  for (const auto& positional : command.positionals)
    if (positional == "DIR" || positional == "PATH") return true;
  return false;
}

std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string bash(const CommandDescription& program) {
  std::string cases, path_options;
  walk(program, "", [&](const CommandDescription& command, const std::string& path) {
    cases += "    '" + path + "') words='" + joined_words(command) + "'; paths=" +
             (completes_paths(command) ? "1" : "0") + " ;;\n";
    for (const auto& option : command.options)
      for (const auto& name : option.names)
        if (option.takes_path && path_options.find(" " + name + " ") == std::string::npos)
          path_options += (path_options.empty() ? " " : "") + name + " ";
  });
  return "# bash completion for skymoor, made by 'skymoor completion bash'\n"
         "_skymoor() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path='' i word words paths\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    word=${COMP_WORDS[i]}\n"
         "    [[ $word == -* ]] && continue\n"
         "    case \"${path:+$path }$word\" in\n"
         "      " + [&] {
           std::string known;
           walk(program, "", [&](const CommandDescription&, const std::string& path) {
             if (!path.empty()) known += (known.empty() ? "'" : "|'") + path + "'";
           });
           return known;
         }() + ") path=\"${path:+$path }$word\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$path\" in\n" + cases +
         "    *) words=''; paths=1 ;;\n"
         "  esac\n"
         "  if [[ '" + path_options + "' == *\" $prev \"* ]]; then\n"
         "    COMPREPLY=($(compgen -f -- \"$cur\"))\n"
         "    return\n"
         "  fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "  if [[ $paths == 1 && $cur != -* ]]; then COMPREPLY+=($(compgen -f -- \"$cur\")); fi\n"
         "}\n"
         "complete -o filenames -F _skymoor skymoor\n";
}

std::string zsh_text(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_function(const CommandDescription& command, const std::string& function) {
  std::string out = function + "() {\n  local -a commands\n  _arguments -C \\\n";
  for (const auto& option : command.options)
    for (const auto& name : option.names)
      out += "    " + single_quoted(name + "[" + zsh_text(option.help) + "]" +
                                    (option.takes_path ? ":file:_files" : option.takes_value ? ":value:" : "")) + " \\\n";
  if (command.subcommands.empty())
    return out + "    '*::" + std::string(completes_paths(command) ? "path:_files" : "argument:") + "'\n}\n";
  out += "    '1: :->command' '*:: :->rest'\n  case $state in\n  command)\n    commands=(\n";
  for (const auto& sub : command.subcommands)
    out += "      " + single_quoted(sub.name + ":" + zsh_text(sub.help)) + "\n";
  out += "    )\n    _describe command commands ;;\n  rest)\n    case $words[1] in\n";
  for (const auto& sub : command.subcommands) out += "    " + sub.name + ") " + function + "_" + sub.name + " ;;\n";
  return out + "    esac ;;\n  esac\n}\n";
}

std::string zsh(const CommandDescription& program) {
  std::string functions;
  walk(program, "", [&](const CommandDescription& command, const std::string& path) {
    std::string function = "_skymoor";
    if (!path.empty()) function += "_" + path;
    for (char& c : function)
      if (c == ' ') c = '_';
    functions += zsh_function(command, function);
  });
  return "#compdef skymoor\n# zsh completion for skymoor, made by 'skymoor completion zsh'\n" + functions +
         "_skymoor \"$@\"\n";
}

std::string fish(const CommandDescription& program) {
  std::string out = "# fish completion for skymoor, made by 'skymoor completion fish'\ncomplete -c skymoor -f\n";
  walk(program, "", [&](const CommandDescription& command, const std::string& path) {
    std::string condition = "__fish_use_subcommand";
    if (!path.empty()) {
      condition.clear();
      for (std::size_t at = 0; at != std::string::npos;) {
        const auto end = path.find(' ', at);
        condition += (condition.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + path.substr(at, end - at));
        at = end == std::string::npos ? end : end + 1;
      }
    }
    const std::string start = "complete -c skymoor -n " + single_quoted(condition);
    for (const auto& sub : command.subcommands)
      out += start + " -a " + sub.name + " -d " + single_quoted(sub.help) + "\n";
    for (const auto& option : command.options) {
      out += start;
      for (const auto& name : option.names)
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      out += (option.takes_path ? " -r -F" : option.takes_value ? " -x" : "") + (" -d " + single_quoted(option.help)) + "\n";
    }
    if (completes_paths(command)) out += start + " -F\n";
  });
  return out;
}

}  // namespace

Result<std::string> completion_script(const std::string& shell, const CommandDescription& program) {
  if (shell == "bash") return bash(program);
  if (shell == "zsh") return zsh(program);
  if (shell == "fish") return fish(program);
  return Error(Code::kInvalidArgument, "no completion for '" + shell + "': use bash, zsh or fish");
}

}  // namespace skymoor::client
