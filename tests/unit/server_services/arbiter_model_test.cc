// Random commits against a tree in memory whose rules are written as plainly as they can be: the arbiter must accept and
// refuse the same ones, and hold the same tree.
#include <random>

#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

/// The reference: whole-tree checks on a copy, after every commit.
struct ReferenceTree {
  struct Node {
    bool directory = false;
    std::uint64_t size = 0;
    std::uint32_t mode = 0644;
  };
  using Slot = std::pair<InodeId, std::string>;
  std::map<InodeId, Node> nodes{{kRootInode, {true, 0, 0755}}};
  std::map<Slot, InodeId> slots;

  std::size_t links(InodeId inode) const {
    return static_cast<std::size_t>(
        std::count_if(slots.begin(), slots.end(), [&](const auto& s) { return s.second == inode; }));
  }
  bool live(InodeId inode) const { return inode == kRootInode || links(inode) > 0; }
  std::set<InodeId> reachable() const {
    std::set<InodeId> seen{kRootInode};
    for (bool more = true; more;) {
      more = false;
      for (const auto& [slot, inode] : slots)
        if (seen.contains(slot.first)) more |= seen.insert(inode).second;
    }
    return seen;
  }
  /// Everything that has a link is under the root: no dead parent, no removed directory with entries, no cycle.
  bool sound() const {
    auto seen = reachable();
    return std::all_of(slots.begin(), slots.end(),
                       [&](const auto& s) { return seen.contains(s.first.first) && seen.contains(s.second); });
  }
};

struct Step {
  enum Kind { kNewFile, kNewDirectory, kLink, kUnlink, kPut, kChmod } kind;
  InodeId inode, directory;
  std::string name;
  std::uint64_t number = 0;
};

bool apply_step(ReferenceTree& tree, const Step& s) {
  bool known = tree.nodes.contains(s.inode);
  ReferenceTree::Slot slot{s.directory, s.name};
  switch (s.kind) {
    case Step::kNewFile:
    case Step::kNewDirectory:
      if (known) return false;
      tree.nodes[s.inode].directory = s.kind == Step::kNewDirectory;
      return true;
    case Step::kLink:
      if (!known || !tree.nodes.contains(s.directory) || !tree.nodes[s.directory].directory) return false;
      if (tree.slots.contains(slot) || (tree.nodes[s.inode].directory && tree.live(s.inode))) return false;
      tree.slots[slot] = s.inode;
      return true;
    case Step::kUnlink:
      if (!tree.slots.contains(slot) || tree.slots[slot] != s.inode) return false;
      tree.slots.erase(slot);
      return true;
    case Step::kPut:
      if (!known || tree.nodes[s.inode].directory) return false;
      tree.nodes[s.inode].size = s.number;
      return true;
    case Step::kChmod:
      if (!known) return false;
      tree.nodes[s.inode].mode = static_cast<std::uint32_t>(s.number);
      return true;
  }
  return false;
}

bool apply_all(ReferenceTree& tree, const std::vector<Step>& steps) {
  ReferenceTree next = tree;
  for (const Step& s : steps)
    if (!apply_step(next, s)) return false;
  if (!next.sound()) return false;
  for (const Step& s : steps)
    if ((s.kind == Step::kPut || s.kind == Step::kChmod) && tree.nodes.contains(s.inode) && !tree.live(s.inode) &&
        !next.live(s.inode))
      return false;
  tree = std::move(next);
  return true;
}

Effect effect_of(const Step& s) {
  switch (s.kind) {
    case Step::kNewFile: return new_inode(s.inode);
    case Step::kNewDirectory: return new_directory(s.inode);
    case Step::kLink: return link(s.directory, s.name, s.inode);
    case Step::kUnlink: return unlink(s.directory, s.name, s.inode);
    case Step::kPut: return put(s.inode, s.number);
    case Step::kChmod: return chmod(s.inode, static_cast<std::uint32_t>(s.number));
  }
  return {};
}

class ArbiterModelTest : public CommitTest, public ::testing::WithParamInterface<unsigned> {
 protected:
  std::size_t pick(std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_engine_); }
  InodeId some_inode() {
    if (pick(20) == 0) return make_inode_id(writer_->writer(), 1000 + pick(10));
    return std::next(tree_.nodes.begin(), static_cast<std::ptrdiff_t>(pick(tree_.nodes.size())))->first;
  }
  /// Mostly a live directory.
  InodeId some_directory() {
    if (pick(12) == 0) return some_inode();
    std::vector<InodeId> live;
    for (const auto& [id, node] : tree_.nodes)
      if (node.directory && tree_.live(id)) live.push_back(id);
    return live[pick(live.size())];
  }
  std::string some_name() { return std::string(1, static_cast<char>('a' + pick(6))); }

  Step unlink_step() {
    if (tree_.slots.empty() || pick(10) == 0) return {Step::kUnlink, some_inode(), some_inode(), some_name()};
    auto at = std::next(tree_.slots.begin(), static_cast<std::ptrdiff_t>(pick(tree_.slots.size())));
    return {Step::kUnlink, at->second, at->first.first, at->first.second};
  }
  void add_steps(std::vector<Step>& steps) {
    switch (pick(6)) {
      case 0:
      case 1: {
        InodeId inode = tree_.nodes.size() < 40 ? writer_->next_inode() : some_inode();
        steps.push_back({pick(2) ? Step::kNewFile : Step::kNewDirectory, inode, {}, {}});
        if (pick(8) != 0) steps.push_back({Step::kLink, inode, some_directory(), some_name()});
        return;
      }
      case 2: steps.push_back(unlink_step()); return;
      case 3: {
        Step away = unlink_step();
        steps.push_back(away);
        steps.push_back({Step::kLink, away.inode, some_directory(), some_name()});
        return;
      }
      case 4: steps.push_back({Step::kLink, some_inode(), some_directory(), some_name()}); return;
      case 5: steps.push_back({pick(2) ? Step::kPut : Step::kChmod, some_inode(), {}, {}, pick(0777)}); return;
    }
  }
  void compare_trees() {
    std::uint64_t bytes = 0, inodes = 0;
    std::map<ReferenceTree::Slot, InodeId> listed;
    for (const auto& [id, node] : tree_.nodes) {
      auto record = find(id);
      ASSERT_EQ(record.has_value(), tree_.live(id));
      if (!record) continue;
      ++inodes;
      bytes += node.size;
      EXPECT_EQ(record->attributes.mode, node.mode);
      EXPECT_EQ(record->attributes.size, node.size);
      EXPECT_EQ(record->links, tree_.links(id));
      if (!node.directory) continue;
      for (const auto& entry : list(id).entries)
        listed[{id, std::string(as_text(entry.sealed_name)).substr(7)}] = entry.inode.inode;
    }
    EXPECT_EQ(listed, tree_.slots);
    EXPECT_EQ(info().inodes, inodes);
    EXPECT_EQ(info().content_bytes, bytes);
  }

  std::mt19937 random_engine_{GetParam()};
  ReferenceTree tree_;
};

TEST_P(ArbiterModelTest, accepts_and_refuses_as_the_reference_and_holds_its_tree) {
  int accepted = 0, refused = 0;
  for (int round = 0; round < 600; ++round) {
    std::vector<Step> steps;
    for (std::size_t i = pick(3) + 1; i > 0; --i) add_steps(steps);
    std::vector<Effect> effects;
    for (const Step& s : steps) effects.push_back(effect_of(s));
    bool expected = apply_all(tree_, steps);
    auto reply = writer_->submit(std::move(effects));
    ASSERT_EQ(reply.ok(), expected) << "seed " << GetParam() << " round " << round << ": "
                                    << (reply.ok() ? "accepted" : reply.error().to_string());
    ASSERT_TRUE(reply.ok() || reply.error().code() == Code::kUnprocessable) << reply.error().to_string();
    ++(expected ? accepted : refused);
    if (round % 50 == 0) compare_trees();
  }
  compare_trees();
  EXPECT_GT(accepted, 60);
  EXPECT_GT(refused, 60);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ArbiterModelTest, ::testing::Range(1u, 9u));

}  // namespace
}  // namespace skymoor::server
