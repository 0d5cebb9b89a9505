// Effects of a commit that do not touch the same things may be applied in any order.
#include <algorithm>

#include "tests/model/planner_simulation.h"

namespace skymoor::client::model {
namespace {

/// What an effect rests on and what it changes. A directory's children are not the directory.
struct Touch {
  std::set<PlannedRead> reads, writes;
};

Touch touch_of(const TreeEffect& effect) {
  Touch touch;
  auto inode = [](InodeId id) { return PlannedRead{ReadKind::kInode, id, {}}; };
  touch.writes.insert(std::visit([&](const auto& e) { return inode(e.inode); }, effect));
  auto slot = [&](const auto& e) {
    touch.writes.insert({ReadKind::kSlot, e.directory, e.name});
    touch.reads.insert(inode(e.directory));
  };
  if (const auto* link = std::get_if<LinkEffect>(&effect)) slot(*link);
  if (const auto* unlink = std::get_if<UnlinkEffect>(&effect)) slot(*unlink);
  return touch;
}

bool meet(const std::set<PlannedRead>& a, const std::set<PlannedRead>& b) {
  return std::any_of(a.begin(), a.end(), [&](const PlannedRead& one) { return b.contains(one); });
}

bool depends(const Touch& later, const Touch& earlier) {
  return meet(later.writes, earlier.writes) || meet(later.reads, earlier.writes) || meet(later.writes, earlier.reads);
}

}  // namespace

std::vector<TreeEffect> shuffled(const std::vector<TreeEffect>& effects, std::mt19937_64& dice) {
  std::vector<Touch> touches;
  for (const TreeEffect& effect : effects) touches.push_back(touch_of(effect));
  std::vector<std::size_t> left(effects.size());
  for (std::size_t i = 0; i < left.size(); ++i) left[i] = i;
  std::vector<TreeEffect> out;
  while (!left.empty()) {
    std::vector<std::size_t> ready;   // places in `left` of those that nothing before them holds up
    for (std::size_t i = 0; i < left.size(); ++i)
      if (std::none_of(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(i),
                       [&](std::size_t before) { return depends(touches[left[i]], touches[before]); }))
        ready.push_back(i);
    const std::size_t next = ready[dice() % ready.size()];
    out.push_back(effects[left[next]]);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(next));
  }
  return out;
}

}  // namespace skymoor::client::model
