#include "shared/base/wrong_usage.h"

#include <CLI/CLI.hpp>

#include "shared/base/suggestion.h"

namespace skymoor {
namespace {

/// How far the words lead.
struct Reached {
  const CLI::App* command;
  std::string path;             ///< "skymoor volume"
  std::string unknown;          ///< the word that should be a command of it and is none
};

const CLI::App* subcommand_of(const CLI::App& app, const std::string& word) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (command->check_name(word)) return command;
  return nullptr;
}

Reached follow(const CLI::App& root, const std::vector<std::string>& words) {
  Reached reached{&root, root.get_name(), {}};
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].starts_with("-")) {
      const CLI::Option* option = reached.command->get_option_no_throw(words[i]);
      if (option && option->get_items_expected_max() > 0) ++i;   // its value
      continue;
    }
    const CLI::App* next = subcommand_of(*reached.command, words[i]);
    if (!next) {
      if (reached.command->get_require_subcommand_min() > 0) reached.unknown = words[i];
      break;
    }
    reached.command = next;
    reached.path += " " + next->get_name();
  }
  return reached;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    if (!option->get_group().empty())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::string listed(const std::vector<std::string>& commands) {
  std::string out = "; the commands: ";
  for (const std::string& command : commands) out += (&command == &commands.front() ? "" : ", ") + command;
  return out;
}

/// The first word that nobody took: of options rather than of what may have been meant as their values.
std::string left_over(const CLI::App& root, const std::vector<std::string>& words) {
  const std::vector<std::string> left = root.remaining(true);
  const auto is_left = [&](const std::string& word) { return std::find(left.begin(), left.end(), word) != left.end(); };
  auto found = std::find_if(words.begin(), words.end(), [&](const auto& word) { return word.starts_with("-") && is_left(word); });
  if (found == words.end()) found = std::find_if(words.begin(), words.end(), is_left);
  return found == words.end() ? std::string() : *found;
}

std::string what(const CLI::App& root, const std::vector<std::string>& words, const Reached& at, const CLI::ParseError& error) {
  const std::vector<std::string> commands = commands_of(*at.command);
  if (!at.unknown.empty()) {
    const std::string meant = did_you_mean(at.unknown, commands);
    return "'" + at.unknown + "' is no command" + (meant.empty() ? listed(commands) : meant);
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error)) {
    const std::string word = left_over(root, words);
    if (!word.starts_with("-")) return "'" + word + "' is one argument too many";
    return "'" + at.path + "' has no option '" + word + "'" + did_you_mean(word.substr(0, word.find('=')), options_of(*at.command));
  }
  const std::string text = error.what();
  if (dynamic_cast<const CLI::RequiredError*>(&error) && text.find("ubcommand") != text.npos)
    return "what to do is missing" + listed(commands);
  if (const auto colon = text.find(": 1 required "); dynamic_cast<const CLI::ArgumentMismatch*>(&error) && colon != text.npos)
    return text.substr(0, colon) + " needs a value";
  return text;
}

}  // namespace

std::string wrong_usage(const CLI::App& root, const std::vector<std::string>& words, const CLI::ParseError& error) {
  const Reached at = follow(root, words);
  return root.get_name() + ": " + what(root, words, at, error) + "\n'" + at.path + " --help' tells more.\n";
}

}  // namespace skymoor
