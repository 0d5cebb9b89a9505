// The declarations of the subcommands, by family. Private to the folder: sees CLI11.
#pragma once
#include <CLI/CLI.hpp>

#include "fuse/app/command_line/arguments.h"

namespace skymoor::client {

/// Where a subcommand's callback puts what it was given.
struct Declared {
  Invocation invocation;
  bool chosen = false;
};

/// A subcommand with the options that all have.
CLI::App* add_command(CLI::App& parent, Declared& declared, const std::string& name, const std::string& help,
                      const std::string& examples);
/// Adds --name DURATION ("30s", "5m").
CLI::Option* add_duration(CLI::App* command, const std::string& name, std::optional<std::chrono::milliseconds>& into,
                          const std::string& help);

/// For options that name something: an empty one is most often a variable that was not set.
CLI::Validator not_empty();

/// `arguments` lives as long as the callback; the last parsed command's are taken.
template <typename Arguments>
void choose_on_parse(CLI::App* command, Declared& declared, std::shared_ptr<Arguments> arguments) {
  command->callback([&declared, arguments] {
    declared.invocation.command = *arguments;
    declared.chosen = true;
  });
}

void declare_account_commands(CLI::App& app, Declared& declared);
void declare_mount_commands(CLI::App& app, Declared& declared);
void declare_history_commands(CLI::App& app, Declared& declared);
void declare_care_commands(CLI::App& app, Declared& declared);

}  // namespace skymoor::client
