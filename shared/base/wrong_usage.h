// What is wrong with a command line, said to a person.
#pragma once
#include <string>
#include <vector>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace skymoor {

/// Two lines: what is wrong, with what was probably meant, and whose --help tells more. `words` are those that `root` could
/// not parse, without the program's name.
std::string wrong_usage(const CLI::App& root, const std::vector<std::string>& words, const CLI::ParseError& error);

}  // namespace skymoor
