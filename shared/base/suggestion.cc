#include "shared/base/suggestion.h"

#include <algorithm>

namespace skymoor {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string* nearest = nullptr;
  // Two wrong of three letters are another word.
  std::size_t best = word.size() < 4 ? std::min<std::size_t>(2, word.size()) : std::clamp<std::size_t>(word.size() / 3, 2, 3) + 1;
  for (const std::string& one : known)
    if (const std::size_t distance = edit_distance(one, word); distance < best) best = distance, nearest = &one;
  return nearest ? "; did you mean '" + *nearest + "'?" : "";
}

}  // namespace skymoor
