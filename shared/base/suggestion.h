// What a misspelt word was probably meant to be.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace skymoor {

/// "; did you mean 'WORD'?" with the nearest of `known`, or nothing where none is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace skymoor
