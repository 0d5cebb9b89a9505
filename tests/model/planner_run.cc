#include <algorithm>

#include "tests/model/planner_simulation.h"

namespace skymoor::client::model {
namespace {

struct Dice {
  std::mt19937_64 engine;
  std::size_t below(std::size_t n) { return n ? engine() % n : 0; }
  double unit() { return static_cast<double>(engine() >> 11) * 0x1.0p-53; }
  template <typename C>
  const auto& pick(const C& c) { return *std::next(c.begin(), static_cast<std::ptrdiff_t>(below(c.size()))); }
};

/// One schedule in progress: the users' side of it.
class Schedule {
 public:
  explicit Schedule(const RunOptions& options) : options_(options), arbiter_(options.arbiter) {
    dice_.engine.seed(options.seed * 7 + 1);
    for (int i = 0; i < options.devices; ++i)
      devices_.push_back(std::make_unique<ModelDevice>(std::string(1, static_cast<char>('A' + i)),
                                                       WriterId{static_cast<std::uint32_t>(i + 1)}, arbiter_, digests_,
                                                       options.rules));
  }

  RunOutcome run() {
    for (int step = 0; step < options_.steps; ++step) one_step();
    RunOutcome outcome;
    outcome.rounds = settle();
    check();
    for (auto& device : devices_) outcome.conflict_names += device->conflict_names();
    outcome.commits = arbiter_.log().size();
    return outcome;
  }

 private:
  void one_step();
  void user(ModelDevice& device);
  void user_create(ModelDevice& device, FileType type);
  void user_write(ModelDevice& device);
  void user_unlink(ModelDevice& device);
  void user_rmdir(ModelDevice& device);
  void user_link(ModelDevice& device);
  void user_rename(ModelDevice& device);
  void user_exchange(ModelDevice& device);
  void user_chmod(ModelDevice& device);
  void user_xattr(ModelDevice& device);
  void has_seen(const TreeNode& node);
  int settle();
  void check();
  void check_order();
  std::set<OpId> written_over();

  TreeNode node(ModelDevice& device, InodeId inode) { return *device.view().node(inode).value(); }
  InodeRow row(ModelDevice& device, InodeId inode) {
    TreeNode n = node(device, inode);
    InodeRow r;
    r.id = inode;
    r.attributes = n.attributes;
    r.links = n.names;
    r.target = n.target;
    r.content = n.content;
    return r;
  }
  LogRecord record(ModelDevice& device, Intent intent) {
    LogRecord r;
    r.lsn = device.next_lsn();
    r.time = Timestamp{std::chrono::hours(24 * 365 * 50)};
    r.intent = std::move(intent);
    return r;
  }
  std::string name() { return std::string(1, options_.names[dice_.below(options_.names.size())]); }
  /// Live directories, the root among them; and names of directories, of regular files, and of all that is no directory.
  struct Seen {
    std::vector<InodeId> directories;
    std::vector<std::pair<Place, InodeId>> all, files, things, folders;
  };
  Seen look(ModelDevice& device);
  bool under(ModelDevice& device, InodeId directory, InodeId ancestor);
  int new_digest() { return dice_.unit() < 0.9 ? ++digest_ : -1 - static_cast<int>(dice_.below(2)); }

  const RunOptions& options_;
  Dice dice_;
  Digests digests_;
  Arbiter arbiter_;
  std::vector<std::unique_ptr<ModelDevice>> devices_;
  int digest_ = 0;
  std::map<int, OpId> born_;
  std::set<int> gone_;   ///< digests that some user saw and overwrote, replaced or deleted
  std::set<std::string> targets_, gone_targets_;   ///< the same of symlinks
};

Schedule::Seen Schedule::look(ModelDevice& device) {
  Seen seen;
  seen.directories.push_back(kRootInode);
  seen.all = device.entries();
  for (const auto& entry : seen.all) {
    if (node(device, entry.second).directory()) {
      seen.folders.push_back(entry);
      seen.directories.push_back(entry.second);
    } else {
      seen.things.push_back(entry);
      if (node(device, entry.second).attributes.type == FileType::kFile) seen.files.push_back(entry);
    }
  }
  return seen;
}

bool Schedule::under(ModelDevice& device, InodeId directory, InodeId ancestor) {
  for (int depth = 0; depth < 1000; ++depth) {
    if (directory == ancestor) return true;
    if (directory == kRootInode) return false;
    const auto places = device.view().places(directory).value();
    if (places.empty()) throw Violation("a directory that is shown stands nowhere");
    directory = places.front().directory;
  }
  throw Violation("a loop of directories is shown");
}

/// A user does away with the last name of something, and knows what it holds.
void Schedule::has_seen(const TreeNode& node) {
  if (node.attributes.type == FileType::kSymlink) gone_targets_.insert(node.target);
  if (digests_.contains(node.content)) gone_.insert(digests_[node.content]);
}

void Schedule::user_create(ModelDevice& device, FileType type) {
  const Seen seen = look(device);
  const Place place{dice_.pick(seen.directories), name()};
  if (device.view().slot(place).value()) return;
  const InodeId inode = make_inode_id(device.writer(), device.next_lsn().value);
  LogRecord create = record(device, CreateIntent{place.directory, place.name, inode});
  InodeRow r;
  r.id = inode;
  r.attributes.type = type;
  r.links = type == FileType::kDirectory ? 2 : 1;
  r.parent = place.directory;
  if (type == FileType::kSymlink) targets_.insert(r.target = "target " + std::to_string(new_digest()));
  if (type == FileType::kCharDevice) r.attributes.rdev = static_cast<std::uint32_t>(dice_.below(2));
  const bool file = type == FileType::kFile;
  auto written_by = [&](LogRecord& writing) {
    r.content = {device.writer(), writing.lsn.value};
    r.attributes.size = 1;
    const int digest = new_digest();
    digests_[r.content] = digest;
    born_.emplace(digest, r.content);
  };
  // Some are written before they have a name (O_TMPFILE): one record says both.
  const bool late_name = file && dice_.unit() < 0.2;
  if (late_name) written_by(create);
  create.changes.push_back(PutInode{r});
  device.author(std::move(create));
  if (!file || late_name) return;
  LogRecord write = record(device, WriteIntent{inode, OpId{}});
  written_by(write);
  write.changes.push_back(PutInode{r});
  device.author(std::move(write));
}

void Schedule::user_write(ModelDevice& device) {
  const Seen seen = look(device);
  if (seen.files.empty()) return;
  const InodeId inode = dice_.pick(seen.files).second;
  InodeRow r = row(device, inode);
  LogRecord write = record(device, WriteIntent{inode, r.content});
  if (digests_.contains(r.content)) gone_.insert(digests_[r.content]);
  r.content = {device.writer(), write.lsn.value};
  write.changes.push_back(PutInode{r});
  const int digest = new_digest();
  digests_[r.content] = digest;
  born_.emplace(digest, r.content);
  device.author(std::move(write));
}

void Schedule::user_unlink(ModelDevice& device) {
  const Seen seen = look(device);
  if (seen.things.empty()) return;
  const auto [place, inode] = dice_.pick(seen.things);
  const InodeRow r = row(device, inode);
  if (r.links == 1) has_seen(node(device, inode));
  device.author(record(device, UnlinkIntent{place.directory, place.name, inode, r.links == 1, r.content}));
}

void Schedule::user_rmdir(ModelDevice& device) {
  const Seen seen = look(device);
  if (seen.folders.empty()) return;
  const auto [place, inode] = dice_.pick(seen.folders);
  if (!device.view().children(inode, 1).value().empty()) return;
  device.author(record(device, RmdirIntent{place.directory, place.name, inode}));
}

void Schedule::user_link(ModelDevice& device) {
  const Seen seen = look(device);
  if (seen.things.empty() || !options_.hard_links) return;
  const InodeId inode = dice_.pick(seen.things).second;
  const Place place{dice_.pick(seen.directories), name()};
  if (device.view().slot(place).value()) return;
  InodeRow r = row(device, inode);
  LogRecord link = record(device, LinkIntent{place.directory, place.name, inode, r.content});
  ++r.links;
  link.changes.push_back(PutInode{r});
  device.author(std::move(link));
}

void Schedule::user_rename(ModelDevice& device) {
  const Seen seen = look(device);
  const auto [from, inode] = dice_.pick(seen.all);
  const Place to{dice_.pick(seen.directories), name()};
  const auto replaced = device.view().slot(to).value();
  const TreeNode moving = node(device, inode);
  if (to == from || replaced == inode || (moving.directory() && under(device, to.directory, inode))) return;
  RenameIntent intent{from.directory, from.name, to.directory, to.name, inode, moving.content, {}, {}, false, false};
  if (replaced) {
    const TreeNode victim = node(device, *replaced);
    if (victim.directory() != moving.directory()) return;
    if (victim.directory() && !device.view().children(*replaced, 1).value().empty()) return;
    intent.replaced = *replaced;
    intent.replaced_seen = victim.content;
    intent.replaced_last = victim.names == 1;
    if (!victim.directory() && victim.names == 1) has_seen(victim);
  }
  device.author(record(device, intent));
}

void Schedule::user_exchange(ModelDevice& device) {
  const Seen seen = look(device);
  const auto [a_place, a] = dice_.pick(seen.all);
  const auto [b_place, b] = dice_.pick(seen.all);
  const TreeNode a_node = node(device, a), b_node = node(device, b);
  if (a == b || (a_node.directory() && under(device, b_place.directory, a)) ||
      (b_node.directory() && under(device, a_place.directory, b)))
    return;
  device.author(record(device, RenameIntent{a_place.directory, a_place.name, b_place.directory, b_place.name, a,
                                            a_node.content, b, b_node.content, false, true}));
}

void Schedule::user_chmod(ModelDevice& device) {
  const Seen seen = look(device);
  InodeRow r = row(device, dice_.pick(seen.all).second);
  LogRecord chmod = record(device, AttributeIntent{r.id, kFieldMode});
  r.attributes.mode = static_cast<std::uint32_t>(dice_.below(07777));
  chmod.changes.push_back(PutInode{r});
  device.author(std::move(chmod));
}

void Schedule::user_xattr(ModelDevice& device) {
  const Seen seen = look(device);
  const InodeRow r = row(device, dice_.pick(seen.all).second);
  const std::string attribute = dice_.unit() < 0.5 ? "user.a" : "user.b";
  LogRecord change = record(device, XattrIntent{r.id, attribute});
  change.changes.push_back(PutInode{r});
  if (dice_.unit() < 0.7) change.changes.push_back(PutXattr{r.id, attribute, {static_cast<std::uint8_t>(dice_.below(250))}});
  else change.changes.push_back(EraseXattr{r.id, attribute});
  device.author(std::move(change));
}

FileType some_type(Dice& dice) {
  const double c = dice.unit();
  if (c < 0.5) return FileType::kFile;
  if (c < 0.58) return FileType::kSymlink;
  return c < 0.62 ? FileType::kCharDevice : FileType::kDirectory;
}

void Schedule::user(ModelDevice& device) {
  const double c = dice_.unit();
  if (c < 0.22 || device.entries().empty()) return user_create(device, some_type(dice_));
  if (c < 0.42) return user_write(device);
  if (c < 0.57) return user_unlink(device);
  if (c < 0.65) return user_rmdir(device);
  if (c < 0.72) return user_link(device);
  if (c < 0.92) return user_rename(device);
  if (c < 0.95) return user_exchange(device);
  if (c < 0.98) return user_chmod(device);
  user_xattr(device);
}

void Schedule::one_step() {
  const std::size_t which = dice_.below(devices_.size());
  ModelDevice& device = *devices_[which];
  const double c = dice_.unit();
  if (c < 0.55) {
    if (options_.writers == 0 || which < static_cast<std::size_t>(options_.writers)) user(device);
  } else if (c < 0.78) {
    device.push(1 + (dice_.unit() < 0.5 ? 0 : dice_.below(8)), dice_.unit() < 0.15, options_.sends_ahead);
  } else if (c < 0.91) {
    device.pull();
  } else if (c < 0.93) {
    device.restart();
  } else if (!arbiter_.log().empty()) {  // an old request, delivered twice
    const auto entry = dice_.pick(arbiter_.log());
    if (!arbiter_.commit(entry.op, 0, entry.effects, {})) throw Violation("a repeated commit was refused");
  }
}

int Schedule::settle() {
  for (auto& device : devices_) device->pull();
  int rounds = 0;
  while (std::any_of(devices_.begin(), devices_.end(), [](const auto& d) { return !d->idle(); })) {
    ModelDevice& device = *dice_.pick(devices_);
    if (device.idle()) continue;
    device.push(1 + dice_.below(6), dice_.unit() < 0.1, options_.sends_ahead);
    if (++rounds > 200) throw Violation("planning does not come to an end");
  }
  for (auto& device : devices_) device->pull();
  return rounds;
}

/// Contents that the arbiter once had, and that somebody who knew them has put another in the place of.
std::set<OpId> Schedule::written_over() {
  std::set<OpId> over;
  std::map<InodeId, OpId> contents;
  for (const Arbiter::Entry& entry : arbiter_.log())
    for (const TreeEffect& effect : entry.effects)
      if (const auto* put = std::get_if<PutEffect>(&effect)) {
        over.insert(contents[put->inode]);
        contents[put->inode] = put->content;
      }
  over.erase(OpId{});
  return over;
}

void Schedule::check() {
  const MemoryTree& tree = arbiter_.tree();
  for (auto& device : devices_) {
    if (device->confirmed().slots() != tree.slots()) throw Violation("a device's confirmed tree diverged");
    const auto entries = device->entries();
    if (std::map<Place, InodeId>(entries.begin(), entries.end()) != tree.slots())
      throw Violation("a device's visible tree diverged");
    for (const auto& [inode, kept] : tree.nodes()) {
      const auto other = device->confirmed().node(inode).value();
      if (!other || other->content != kept.node.content || other->names != kept.node.names ||
          other->attributes != kept.node.attributes || other->target != kept.node.target ||
          device->confirmed().xattrs(inode).value() != kept.xattrs)
        throw Violation("an inode diverged");
    }
  }
  if (options_.shuffle) check_order();
  std::set<int> live;
  std::set<std::string> live_targets;
  std::map<OpId, InodeId> holds;
  const std::set<OpId> replaced = written_over();
  for (const auto& [place, inode] : tree.slots()) {
    const auto parent = tree.nodes().find(place.directory), target = tree.nodes().find(inode);
    if (parent == tree.nodes().end() || !parent->second.node.live() || !parent->second.node.directory())
      throw Violation("a name in a dead directory");
    if (target == tree.nodes().end() || !target->second.places.contains(place)) throw Violation("a name of nothing");
    if (target->second.node.directory() && target->second.places.size() != 1) throw Violation("a directory with two names");
    InodeId up = place.directory;
    for (int depth = 0; up != kRootInode; ++depth) {
      if (depth > 1000) throw Violation("a loop of directories");
      up = tree.nodes().at(up).places.begin()->directory;
    }
    const OpId content = target->second.node.content;
    if (content != OpId{} && !holds.emplace(content, inode).second && holds.at(content) != inode)
      throw Violation("two files hold what was written once: content " + std::to_string(content.counter) + " of device " +
                      std::to_string(content.writer.value));
    if (replaced.contains(content))
      throw Violation("what was sent and written over came back: content " + std::to_string(content.counter) + " of device " +
                      std::to_string(content.writer.value));
    auto digest = digests_.find(content);
    if (digest != digests_.end()) live.insert(digest->second);
    live_targets.insert(target->second.node.target);
  }
  for (const std::string& target : targets_)
    if (!live_targets.contains(target) && !gone_targets_.contains(target)) throw Violation("lost: a symlink to " + target);
  for (const auto& [digest, content] : born_)
    if (!live.contains(digest) && !gone_.contains(digest))
      throw Violation("lost: content " + std::to_string(content.counter) + " of device " +
                      std::to_string(content.writer.value));
}

/// An arbiter or a device that takes a commit's independent effects in another order comes to the same tree, and none of
/// them meets something that is not there yet.
void Schedule::check_order() {
  std::mt19937_64 dice(options_.seed);
  MemoryTree other;
  for (const Arbiter::Entry& entry : arbiter_.log()) {
    Overlay strict(other);
    const auto effects = shuffled(entry.effects, dice);
    for (const TreeEffect& effect : effects)
      if (Status applied = strict.apply(effect); !applied.ok())
        throw Violation("independent effects do not apply in another order: " + applied.error().message());
    for (const TreeEffect& effect : effects) other.apply(effect);
  }
  const MemoryTree& tree = arbiter_.tree();
  if (other.slots() != tree.slots()) throw Violation("another order of independent effects gives other names");
  for (const auto& [inode, kept] : tree.nodes()) {
    const auto& same = other.nodes().at(inode);
    if (same.node.content != kept.node.content || same.node.attributes != kept.node.attributes || same.xattrs != kept.xattrs)
      throw Violation("another order of independent effects gives another inode");
  }
}

}  // namespace

RunOutcome run(const RunOptions& options) { return Schedule(options).run(); }

}  // namespace skymoor::client::model
