#include "fuse/app/command_line/command_line.h"

#include <sstream>

#include "fuse/app/command_line/declare.h"
#include "fuse/app/exit_codes.h"
#include "shared/base/settings.h"
#include "shared/base/wrong_usage.h"
#include "skymoor_version.h"

namespace skymoor::client {
namespace {

std::unique_ptr<CLI::App> declare_all(Declared& declared) {
  auto app = std::make_unique<CLI::App>("Skymoor: your cloud drive, moored to a directory.", "skymoor");
  app->require_subcommand(1);
  app->footer(kExitCodeHelp);
  app->set_version_flag("--version", "skymoor " SKYMOOR_VERSION, "show the version");
  app->add_flag("--json", declared.invocation.json, "results as JSON");
  app->add_option("--state-dir", declared.invocation.state_directory, "where this device's state is kept")
      ->type_name("DIR")->check(not_empty());
  declare_account_commands(*app, declared);
  declare_mount_commands(*app, declared);
  declare_history_commands(*app, declared);
  declare_care_commands(*app, declared);
  return app;
}

bool takes_path(const std::string& type_name) { return type_name == "FILE" || type_name == "DIR"; }

CommandDescription describe(const CLI::App& app) {
  CommandDescription description{app.get_name(), app.get_description(), {}, {}, {}};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      description.positionals.push_back(option->get_name(true, false));
      continue;
    }
    OptionDescription described;
    for (const auto& name : option->get_snames()) described.names.push_back("-" + name);
    for (const auto& name : option->get_lnames()) described.names.push_back("--" + name);
    described.help = option->get_description();
    described.takes_value = option->get_items_expected_max() > 0;
    described.takes_path = takes_path(option->get_type_name());
    description.options.push_back(std::move(described));
  }
  for (const CLI::App* sub : app.get_subcommands({})) description.subcommands.push_back(describe(*sub));
  return description;
}

/// mount(8) calls `mount.skymoor VOLUME DIR [-sfnvrw] [-o options]`; packaging/mount.skymoor does the same as a script.
/// Nothing for a fake mount (-f), which is to be none.
std::vector<std::string> from_mount_helper(const std::vector<std::string>& words) {
  std::vector<std::string> out = {"mount"};
  for (const auto& word : words) {
    if (word == "-f") return {};
    if (word == "-r") {
      out.insert(out.end(), {"-o", "ro"});
    } else if (word.size() < 2 || word[0] != '-' || word.find_first_not_of("snvw", 1) != std::string::npos) {
      out.push_back(word);
    }
  }
  return out;
}

}  // namespace

CLI::App* add_command(CLI::App& parent, Declared& declared, const std::string& name, const std::string& help,
                      const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->footer("Examples:\n" + examples);
  command->add_flag("--json", declared.invocation.json, "results as JSON");
  command->add_option("--state-dir", declared.invocation.state_directory, "where this device's state is kept")
      ->type_name("DIR")->check(not_empty());
  return command;
}

CLI::Validator not_empty() {
  return CLI::Validator([](std::string& text) { return std::string(text.empty() ? "is empty" : ""); }, "");
}

CLI::Option* add_duration(CLI::App* command, const std::string& name, std::optional<std::chrono::milliseconds>& into,
                          const std::string& help) {
  return command
      ->add_option_function<std::string>(
          name, [&into](const std::string& text) { into = std::chrono::milliseconds(*parse_duration_ms(text)); }, help)
      ->type_name("TIME")
      ->check(CLI::Validator(
          [](std::string& text) {
            auto parsed = parse_duration_ms(text);
            return parsed.ok() ? std::string() : parsed.error().message();
          },
          ""));
}

ParsedCommandLine parse_command_line(const std::string& program, const std::vector<std::string>& words) {
  Declared declared;
  auto app = declare_all(declared);
  const bool helper = program.ends_with("mount.skymoor");
  const std::vector<std::string> all = helper ? from_mount_helper(words) : words;
  if (helper && all.empty()) return {std::nullopt, 0, {}};
  if (all.empty()) return {std::nullopt, static_cast<int>(ExitCode::kUsage), app->help()};
  try {
    app->parse(std::vector<std::string>(all.rbegin(), all.rend()));  // CLI11 takes them from the back
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    const int code = app->exit(error, out, err);
    if (code == 0) return {std::nullopt, 0, out.str()};
    return {std::nullopt, static_cast<int>(ExitCode::kUsage), wrong_usage(*app, all, error)};
  } catch (const std::exception& error) {
    return {std::nullopt, static_cast<int>(ExitCode::kUsage), error.what()};
  }
  return {std::move(declared.invocation), 0, {}};
}

CommandDescription describe_command_line() {
  Declared declared;
  return describe(*declare_all(declared));
}

}  // namespace skymoor::client
