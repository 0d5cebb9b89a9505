// The command line of `skymoor`, as a person or mount(8) gives it, and mount options.
#include "fuse/app/command_line/command_line.h"
#include "fuse/app/command_line/mount_options.h"
#include "tests/fuzz/fuzz.h"

namespace skymoor::fuzz {
namespace {

using namespace client;

std::vector<std::string> lines(ByteView text) {
  std::vector<std::string> out(1);
  for (std::uint8_t byte : text) {
    if (byte == '\n')
      out.emplace_back();
    else if (byte != 0)
      out.back() += static_cast<char>(byte);
  }
  return out;
}

void try_command_line(Choices choices) {
  const char* program = choices.below(2) ? "/sbin/mount.skymoor" : "skymoor";
  const auto parsed = parse_command_line(program, lines(choices.rest()));
  check(parsed.invocation || parsed.exit_code != 0 || !parsed.text.empty() || std::string(program) != "skymoor",
        "a command, or what is wrong, or help");
}

void try_mount_options(ByteView text) {
  auto options = parse_mount_options(lines(text));
  if (options.ok())
    for (const Setting& setting : options->settings.table()) (void)options->settings.text(setting.name);
}

}  // namespace

void try_input(ByteView input) {
  Choices choices(input);
  // Most go to the quick one.
  if (choices.below(8) == 0) return try_command_line(choices);
  try_mount_options(choices.rest());
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> out;
  const auto add = [&](std::uint8_t family, std::string_view text) { out.push_back(with_choice(family, as_bytes(text))); };
  for (const auto& command : describe_command_line().subcommands) {
    std::string words = std::string(1, '\0') + command.name;
    for (const auto& option : command.options)
      if (option.names.back() != "--help") words += "\n" + option.names.back() + (option.takes_value ? "\n30s" : "");
    for (std::size_t i = 0; i < command.positionals.size(); ++i) words += "\nplace";
    add(0, words);
    for (const auto& sub : command.subcommands) add(0, std::string(1, '\0') + command.name + "\n" + sub.name + "\nplace");
  }
  add(0, "\x01" "home\n/mnt\n-n\n-o\nro,cache-size=1GiB,_netdev");
  add(1, "ro,cache-size=1GiB,read-timeout=30s,cache-dir=/a\\,b,nosuid\nfsync=remote,passthrough=off");
  return out;
}

}  // namespace skymoor::fuzz
