// getattr, setattr, statfs, the four xattr operations.
#include "fuse/channel/dispatch.h"

namespace skymoor::client {
namespace {

auto attributes_reply(fuse_req_t req) {
  return [req](const Node& node) {
    struct stat st = to_stat(node);
    fuse_reply_attr(req, &st, kCacheSeconds);
  };
}

void do_getattr(fuse_req_t req, fuse_ino_t inode, fuse_file_info*) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch(req, [&fs, inode](Request& r) { return fs.get_attributes(r, InodeId{inode}); }, attributes_reply(req));
}

SetAttributesRequest to_request(const struct stat& attr, int to_set, const fuse_file_info* fi) {
  SetAttributesRequest out;
  if (to_set & FUSE_SET_ATTR_MODE) out.mode = attr.st_mode & 07777;
  if (to_set & FUSE_SET_ATTR_UID) out.uid = attr.st_uid;
  if (to_set & FUSE_SET_ATTR_GID) out.gid = attr.st_gid;
  if (to_set & FUSE_SET_ATTR_SIZE) out.size = static_cast<std::uint64_t>(attr.st_size);
  if (to_set & FUSE_SET_ATTR_ATIME_NOW)
    out.atime_now = true;
  else if (to_set & FUSE_SET_ATTR_ATIME)
    out.atime = to_timestamp(attr.st_atim);
  if (to_set & FUSE_SET_ATTR_MTIME_NOW)
    out.mtime_now = true;
  else if (to_set & FUSE_SET_ATTR_MTIME)
    out.mtime = to_timestamp(attr.st_mtim);
  if (to_set & FUSE_SET_ATTR_CTIME) out.ctime = to_timestamp(attr.st_ctim);
  // Nothing to set: chown(-1, -1), or a caller without privileges is about to write through passthrough.
  out.kill_suid_sgid = to_set == 0 || (to_set & (FUSE_SET_ATTR_KILL_SUID | FUSE_SET_ATTR_KILL_SGID)) != 0;
  if (fi) out.handle = HandleId{fi->fh};
  return out;
}

void do_setattr(fuse_req_t req, fuse_ino_t inode, struct stat* attr, int to_set, fuse_file_info* fi) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch(
      req,
      [&fs, inode, change = to_request(*attr, to_set, fi)](Request& r) {
        return fs.set_attributes(r, InodeId{inode}, change);
      },
      attributes_reply(req));
}

void do_statfs(fuse_req_t req, fuse_ino_t) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch(req, [&fs](Request& r) { return fs.statistics(r); },
           [req](const VolumeStatistics& s) {
             struct statvfs st = {};
             st.f_bsize = 4096;
             st.f_frsize = 4096;
             st.f_blocks = s.total_bytes / 4096;
             st.f_bfree = st.f_bavail = s.free_bytes / 4096;
             st.f_files = s.inodes + s.free_inodes;
             st.f_ffree = st.f_favail = s.free_inodes;
             st.f_namemax = kMaxNameBytes;
             fuse_reply_statfs(req, &st);
           });
}

void reply_sized(fuse_req_t req, std::size_t size, ByteView value) {
  if (size == 0)
    fuse_reply_xattr(req, value.size());
  else if (value.size() > size)
    fuse_reply_err(req, ERANGE);
  else
    fuse_reply_buf(req, reinterpret_cast<const char*>(value.data()), value.size());
}

void do_getxattr(fuse_req_t req, fuse_ino_t inode, const char* name, std::size_t size) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch(
      req, [&fs, inode, name = std::string(name)](Request& r) { return fs.get_xattr(r, InodeId{inode}, name); },
      [req, size](const Bytes& value) { reply_sized(req, size, value); });
}

void do_listxattr(fuse_req_t req, fuse_ino_t inode, std::size_t size) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch(
      req, [&fs, inode](Request& r) { return fs.list_xattrs(r, InodeId{inode}); },
      [req, size](const std::vector<std::string>& names) {
        Bytes list;
        for (const std::string& name : names) {
          append(list, as_bytes(name));
          list.push_back(0);
        }
        reply_sized(req, size, list);
      });
}

void do_setxattr(fuse_req_t req, fuse_ino_t inode, const char* name, const char* value, std::size_t size, int flags) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  const bool kill_sgid = (flags & kSetxattrKillSgid) != 0;
  dispatch_status_once(req, [&fs, inode, name = std::string(name), value = to_bytes(std::string_view(value, size)),
                             flags = flags & ~kSetxattrKillSgid, kill_sgid](Request& r) {
    return fs.set_xattr(r, InodeId{inode}, name, value, flags, kill_sgid);
  });
}

void do_removexattr(fuse_req_t req, fuse_ino_t inode, const char* name) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch_status_once(
      req, [&fs, inode, name = std::string(name)](Request& r) { return fs.remove_xattr(r, InodeId{inode}, name); });
}

}  // namespace

void add_attribute_operations(fuse_lowlevel_ops& ops) {
  ops.getattr = do_getattr;
  ops.setattr = do_setattr;
  ops.statfs = do_statfs;
  ops.getxattr = do_getxattr;
  ops.listxattr = do_listxattr;
  ops.setxattr = do_setxattr;
  ops.removexattr = do_removexattr;
}

}  // namespace skymoor::client
