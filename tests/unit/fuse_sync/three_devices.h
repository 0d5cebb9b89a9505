// Three devices of the planner's model and what their users do, step by step.
#pragma once
#include "tests/model/planner_simulation.h"

namespace skymoor::client::model {

/// Devices that start with one file `f` in the root, known to all. What they do wrong throws Violation.
class ThreeDevices {
 public:
  explicit ThreeDevices(PlannerRules rules = {}, std::array<const char*, 3> names = {"A", "B", "C"})
      : a_(names[0], WriterId{1}, arbiter_, digests_, rules),
        b_(names[1], WriterId{2}, arbiter_, digests_, rules),
        c_(names[2], WriterId{3}, arbiter_, digests_, rules) {
    file_ = create(a_, kRootInode, "f", 1);
    settle();
  }

  void author(ModelDevice& device, Intent intent, std::optional<InodeRow> row = {}) {
    LogRecord record;
    record.lsn = device.next_lsn();
    record.time = Timestamp{std::chrono::hours(24 * 365 * 50)};
    record.intent = std::move(intent);
    if (row) record.changes.push_back(PutInode{*row});
    device.author(std::move(record));
  }
  TreeNode node(ModelDevice& device, InodeId inode) { return *device.view().node(inode).value(); }
  OpId seen(ModelDevice& device, InodeId inode) { return node(device, inode).content; }
  Place place(ModelDevice& device, InodeId inode) { return device.view().places(inode).value().front(); }
  InodeRow row(ModelDevice& device, InodeId inode) {
    const TreeNode now = node(device, inode);
    InodeRow row;
    row.id = inode;
    row.attributes = now.attributes;
    row.links = now.names;
    row.content = now.content;
    return row;
  }

  InodeId add(ModelDevice& device, InodeId directory, const std::string& name, FileType type) {
    InodeRow row;
    row.id = make_inode_id(device.writer(), device.next_lsn().value);
    row.attributes.type = type;
    row.links = type == FileType::kDirectory ? 2 : 1;
    row.parent = directory;
    author(device, CreateIntent{directory, name, row.id}, row);
    return row.id;
  }
  InodeId make(ModelDevice& device, InodeId directory, const std::string& name) {
    return add(device, directory, name, FileType::kDirectory);
  }
  InodeId create(ModelDevice& device, InodeId directory, const std::string& name, int bytes) {
    const InodeId inode = add(device, directory, name, FileType::kFile);
    write(device, inode, bytes);
    return inode;
  }
  /// `bytes`: equal numbers are equal bytes. Returns the inode that a copy for this write would have.
  InodeId write(ModelDevice& device, InodeId inode, int bytes) {
    InodeRow after = row(device, inode);
    const OpId before = after.content;
    after.content = {device.writer(), device.next_lsn().value};
    digests_[after.content] = bytes;
    author(device, WriteIntent{inode, before}, after);
    return make_inode_id(device.writer(), after.content.counter);
  }
  InodeId write(ModelDevice& device, int bytes) { return write(device, file_, bytes); }
  void unlink(ModelDevice& device, InodeId inode) {
    const Place at = place(device, inode);
    author(device, UnlinkIntent{at.directory, at.name, inode, true, seen(device, inode)});
  }
  void rename(ModelDevice& device, InodeId inode, const std::string& name) {
    const Place at = place(device, inode);
    author(device, RenameIntent{at.directory, at.name, kRootInode, name, inode, seen(device, inode), {}, {}, false, false});
  }
  void move(ModelDevice& device, InodeId inode, InodeId to, const std::string& name) {
    const Place at = place(device, inode);
    author(device, RenameIntent{at.directory, at.name, to, name, inode, {}, {}, {}, false, false});
  }

  void settle() {
    for (int round = 0; round < 5; ++round)
      for (ModelDevice* device : {&a_, &b_, &c_}) {
        device->push(100, false);
        device->pull();
      }
    for (ModelDevice* device : {&a_, &b_, &c_}) {
      if (!device->idle()) throw Violation("something is left to send");
      if (device->confirmed().slots() != arbiter_.tree().slots()) throw Violation("a device's tree is not the server's");
    }
  }
  /// How many names show these bytes.
  int names_with(int bytes) {
    int count = 0;
    for (const auto& [at, inode] : arbiter_.tree().slots()) {
      const auto digest = digests_.find(arbiter_.tree().node(inode).value()->content);
      count += digest != digests_.end() && digest->second == bytes;
    }
    return count;
  }
  unsigned conflict_names() const { return a_.conflict_names() + b_.conflict_names() + c_.conflict_names(); }

  Digests digests_;
  Arbiter arbiter_{{}};
  ModelDevice a_, b_, c_;
  InodeId file_;
};

}  // namespace skymoor::client::model
