// lookup, forget, mknod, mkdir, symlink, link, unlink, rmdir, rename, readlink.
#include "fuse/channel/dispatch.h"

namespace skymoor::client {
namespace {

/// For what makes an inode: the one it made.
auto made_before(fuse_req_t req) {
  return [&channel = FuseChannel::of(req)](Request& r, Lsn lsn) {
    return channel.filesystem().get_attributes(r, channel.made_by(lsn));
  };
}

auto entry_reply(fuse_req_t req) {
  return [req](const Node& node) {
    fuse_entry_param entry = to_entry(node);
    fuse_reply_entry(req, &entry);
  };
}

void do_lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  guarded(req, [&] {
    Filesystem& fs = FuseChannel::of(req).filesystem();
    auto operation = [&fs, parent = InodeId{parent}, name = std::string(name)](Request& r) -> Result<Node> {
      auto found = fs.lookup(r, parent, name);
      // The kernel may remember an absence as long as a presence: an entry without an inode says so.
      if (!found.ok() && found.error().code() == Code::kNotFound) return Node{};
      return found;
    };
    const double absent = FuseChannel::of(req).options().remember_absences ? kCacheSeconds : 0;
    dispatch(req, operation, [req, absent](const Node& node) {
      fuse_entry_param entry = {};
      if (node.id)
        entry = to_entry(node);
      else
        entry.entry_timeout = absent;
      fuse_reply_entry(req, &entry);
    });
  });
}

void do_forget(fuse_req_t req, fuse_ino_t inode, std::uint64_t) {
  FuseChannel::of(req).filesystem().forget(InodeId{inode});
  fuse_reply_none(req);
}

void do_forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  for (std::size_t i = 0; i < count; ++i) fs.forget(InodeId{forgets[i].ino});
  fuse_reply_none(req);
}

void do_readlink(fuse_req_t req, fuse_ino_t inode) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch(
      req, [&fs, inode](Request& r) { return fs.read_link(r, InodeId{inode}); },
      [req](const std::string& target) { fuse_reply_readlink(req, target.c_str()); });
}

void do_mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t rdev) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch(
      req,
      once(
          FuseChannel::of(req),
          [&fs, parent, name = std::string(name), mode, rdev](Request& r) {
            return fs.make_node(r, InodeId{parent}, name, mode, rdev);
          },
          made_before(req)),
      entry_reply(req));
}

void do_mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch(
      req,
      once(
          FuseChannel::of(req),
          [&fs, parent, name = std::string(name), mode](Request& r) {
            return fs.make_directory(r, InodeId{parent}, name, mode);
          },
          made_before(req)),
      entry_reply(req));
}

void do_symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch(
      req,
      once(
          FuseChannel::of(req),
          [&fs, parent, name = std::string(name), target = std::string(target)](Request& r) {
            return fs.make_symlink(r, InodeId{parent}, name, target);
          },
          made_before(req)),
      entry_reply(req));
}

void do_link(fuse_req_t req, fuse_ino_t inode, fuse_ino_t parent, const char* name) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch(
      req,
      once(
          FuseChannel::of(req),
          [&fs, inode, parent, name = std::string(name)](Request& r) {
            return fs.link(r, InodeId{inode}, InodeId{parent}, name);
          },
          [&fs, inode](Request& r, Lsn) { return fs.get_attributes(r, InodeId{inode}); }),
      entry_reply(req));
}

void do_unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch_status_once(req, [&fs, parent, name = std::string(name)](Request& r) { return fs.unlink(r, InodeId{parent}, name); });
}

void do_rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch_status_once(
      req, [&fs, parent, name = std::string(name)](Request& r) { return fs.remove_directory(r, InodeId{parent}, name); });
}

void do_rename(fuse_req_t req, fuse_ino_t from, const char* from_name, fuse_ino_t to, const char* to_name,
               unsigned flags) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch_status_once(req, [&fs, from, from_name = std::string(from_name), to, to_name = std::string(to_name),
                        flags](Request& r) { return fs.rename(r, InodeId{from}, from_name, InodeId{to}, to_name, flags); });
}

}  // namespace

void add_namespace_operations(fuse_lowlevel_ops& ops) {
  ops.lookup = do_lookup;
  ops.forget = do_forget;
  ops.forget_multi = do_forget_multi;
  ops.readlink = do_readlink;
  ops.mknod = do_mknod;
  ops.mkdir = do_mkdir;
  ops.symlink = do_symlink;
  ops.link = do_link;
  ops.unlink = do_unlink;
  ops.rmdir = do_rmdir;
  ops.rename = do_rename;
}

}  // namespace skymoor::client
