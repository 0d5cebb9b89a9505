#include "fuse/sync/plan/describe.h"

namespace skymoor::client {
namespace {

std::string place(InodeId directory, const std::string& name) { return describe(directory) + "/" + name; }

std::string text(const NewEffect& e) { return "new " + describe(e.inode); }
std::string text(const LinkEffect& e) { return "link " + place(e.directory, e.name) + "=" + describe(e.inode); }
std::string text(const UnlinkEffect& e) { return "unlink " + place(e.directory, e.name) + "=" + describe(e.inode); }
std::string text(const PutEffect& e) {
  return "put " + describe(e.inode) + " content " + describe(e.content) + " size " + std::to_string(e.size);
}
std::string text(const AttributeEffect& e) { return "attributes " + describe(e.inode) + " " + std::to_string(e.fields); }
std::string text(const XattrEffect& e) { return "xattr " + describe(e.inode) + " " + e.name + (e.value ? "" : " removed"); }

std::string text(const LocalIntent&) { return "local"; }
std::string text(const CreateIntent& i) { return "create " + place(i.directory, i.name) + "=" + describe(i.inode); }
std::string text(const LinkIntent& i) {
  return "link " + place(i.directory, i.name) + "=" + describe(i.inode) + " seen " + describe(i.seen);
}
std::string text(const UnlinkIntent& i) {
  return "unlink " + place(i.directory, i.name) + "=" + describe(i.inode) + " seen " + describe(i.seen) + (i.last ? " last" : "");
}
std::string text(const RmdirIntent& i) { return "rmdir " + place(i.directory, i.name) + "=" + describe(i.inode); }
std::string text(const RenameIntent& i) {
  std::string out = "rename " + place(i.from_directory, i.from_name) + "=" + describe(i.inode) + " seen " + describe(i.seen) +
                    " to " + place(i.to_directory, i.to_name);
  if (i.replaced) out += " over " + describe(i.replaced) + " seen " + describe(i.replaced_seen);
  return out + (i.exchange ? " exchange" : "");
}
std::string text(const WriteIntent& i) { return "write " + describe(i.inode) + " seen " + describe(i.seen); }
std::string text(const AttributeIntent& i) { return "attributes " + describe(i.inode) + " " + std::to_string(i.fields); }
std::string text(const XattrIntent& i) { return "xattr " + describe(i.inode) + " " + i.name; }

}  // namespace

std::string describe(InodeId inode) {
  if (inode == kRootInode) return "root";
  return std::to_string(writer_of(inode).value) + "." + std::to_string(counter_of(inode));
}

std::string describe(OpId op) { return std::to_string(op.writer.value) + "." + std::to_string(op.counter); }

std::string describe(const TreeEffect& effect) {
  return std::visit([](const auto& e) { return text(e); }, effect);
}

std::string describe(const std::vector<TreeEffect>& effects) {
  std::string out;
  for (const TreeEffect& effect : effects) out += (out.empty() ? "" : "; ") + describe(effect);
  return out;
}

std::string describe(const LogRecord& record) {
  return std::to_string(record.lsn.value) + " " + std::visit([](const auto& i) { return text(i); }, record.intent);
}

}  // namespace skymoor::client
