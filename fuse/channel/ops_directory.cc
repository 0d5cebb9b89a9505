// readdir, readdirplus, fsyncdir. There is no opendir: the kernel keeps the listing until something changes it.
#include "fuse/channel/dispatch.h"

namespace skymoor::client {
namespace {

// Offsets 1 and 2 are "." and ".."; an entry's offset is its cookie behind them.
constexpr off_t kDotOffset = 1, kDotDotOffset = 2;

class Listing {
 public:
  Listing(fuse_req_t req, std::size_t size, bool plus) : req_(req), plus_(plus), buffer_(size) {}

  bool add(const char* name, const Node& node, off_t next) {
    char* at = buffer_.data() + used_;
    std::size_t room = buffer_.size() - used_, need;
    if (plus_) {
      fuse_entry_param entry = to_entry(node);
      if (name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0))) entry.ino = 0;  // not looked up
      need = fuse_add_direntry_plus(req_, at, room, name, &entry, next);
    } else {
      struct stat st = {};   // of which only these two are used
      st.st_ino = node.id.value;
      st.st_mode = format_bits(node.attributes.type);
      need = fuse_add_direntry(req_, at, room, name, &st, next);
    }
    if (need > room) return false;
    used_ += need;
    return true;
  }
  std::size_t room() const { return buffer_.size() - used_; }
  void reply() { fuse_reply_buf(req_, buffer_.data(), used_); }

 private:
  fuse_req_t req_;
  bool plus_;
  std::size_t used_ = 0;
  std::vector<char> buffer_;
};

Node directory_node(InodeId id) {
  Node node;
  node.id = id;
  node.attributes.type = FileType::kDirectory;
  return node;
}

struct Page {
  std::vector<DirectoryEntry> entries;
  InodeId parent;
};

/// For "..", which is not worth waiting for: where the parent is not known, and of the root, it is the directory itself.
InodeId parent_of(Filesystem& fs, InodeId directory) {
  Request nobody;
  auto parent = fs.lookup(nobody, directory, "..");
  return parent.ok() ? number_of(*parent) : directory;
}

void list(fuse_req_t req, fuse_ino_t inode, std::size_t size, off_t offset, bool plus) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  // The smallest an entry can be tells how many could fit.
  std::size_t limit = size / (plus ? 160 : 32) + 1;
  std::uint64_t after = offset > kDotDotOffset ? static_cast<std::uint64_t>(offset - kDotDotOffset) : 0;
  dispatch(
      req,
      [&fs, inode, after, limit, plus, offset](Request& r) -> Result<Page> {
        Page page{TRY(fs.read_directory(r, InodeId{inode}, after, limit, plus)), InodeId{inode}};
        if (offset < kDotDotOffset) page.parent = parent_of(fs, InodeId{inode});
        return page;
      },
      [req, inode, size, offset, plus](const Page& page) {
        Listing out(req, size, plus);
        if (offset < kDotOffset) out.add(".", directory_node(InodeId{inode}), kDotOffset);
        if (offset < kDotDotOffset) out.add("..", directory_node(page.parent), kDotDotOffset);
        for (const DirectoryEntry& entry : page.entries)
          if (!out.add(entry.name.c_str(), entry.node, static_cast<off_t>(entry.cookie) + kDotDotOffset)) break;
        out.reply();
      });
}

void do_readdir(fuse_req_t req, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  list(req, inode, size, offset, false);
}

void do_readdirplus(fuse_req_t req, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  list(req, inode, size, offset, true);
}

void do_opendir(fuse_req_t req, fuse_ino_t, fuse_file_info*) { fuse_reply_err(req, ENOSYS); }

void do_fsyncdir(fuse_req_t req, fuse_ino_t inode, int, fuse_file_info*) {
  auto& channel = FuseChannel::of(req);
  channel.slow_calls().run_blocking(req, [&fs = channel.filesystem(), inode](Request& r) {
    return fs.sync_directory(r, InodeId{inode});
  });
}

}  // namespace

void add_directory_operations(fuse_lowlevel_ops& ops) {
  ops.opendir = do_opendir;
  ops.readdir = do_readdir;
  ops.readdirplus = do_readdirplus;
  ops.fsyncdir = do_fsyncdir;
}

}  // namespace skymoor::client
