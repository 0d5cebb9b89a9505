// create, open, read, write, flush, fsync, release, fallocate, copy_file_range, lseek.
#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse/channel/dispatch.h"

namespace skymoor::client {
namespace {

// From 7.40 of the protocol: the kernel uses the backing file whose id stands in the padding.
constexpr std::uint32_t kOpenPassthrough = 1u << 7;

/// The call that opens, for who takes the mount over.
struct Opening {
  InodeId inode;
  OpenFlags flags;
  std::uint64_t request = 0;
};

fuse_open_out open_out(FuseChannel& channel, const Opened& opened, const Opening& opening) {
  fuse_open_out out = {};
  out.fh = static_cast<std::uint64_t>(opened.handle);
  if (opened.keep_cache) out.open_flags |= FOPEN_KEEP_CACHE;
  if (!opened.wants_flush) out.open_flags |= FOPEN_NOFLUSH;
  std::int32_t backing_id = 0;
  if (opened.passthrough) {
    auto id = channel.passthrough().acquire(opened.handle, opening.inode, opened.passthrough);
    if (id.ok()) {
      out.open_flags = (out.open_flags & ~FOPEN_KEEP_CACHE) | kOpenPassthrough;
      out.padding = static_cast<std::uint32_t>(*id);
      backing_id = *id;
    }
  }
  if (Handover* handover = channel.options().handover.get())
    handover->opened({{opened.handle, opening.inode, opening.flags.read, opening.flags.write, opening.flags.append,
                       opening.flags.sync, opened.passthrough != nullptr, opened.unnamed, opened.failed},
                      backing_id, opening.request & ~kResent});
  return out;
}

void fill_entry(fuse_entry_out& out, const Node& node) {
  struct stat st = to_stat(node);
  out.nodeid = number_of(node).value;
  out.generation = 1;
  out.entry_valid = out.attr_valid = static_cast<std::uint64_t>(kCacheSeconds);
  out.attr.ino = st.st_ino;
  out.attr.size = static_cast<std::uint64_t>(st.st_size);
  out.attr.blocks = static_cast<std::uint64_t>(st.st_blocks);
  out.attr.atime = static_cast<std::uint64_t>(st.st_atim.tv_sec);
  out.attr.mtime = static_cast<std::uint64_t>(st.st_mtim.tv_sec);
  out.attr.ctime = static_cast<std::uint64_t>(st.st_ctim.tv_sec);
  out.attr.atimensec = static_cast<std::uint32_t>(st.st_atim.tv_nsec);
  out.attr.mtimensec = static_cast<std::uint32_t>(st.st_mtim.tv_nsec);
  out.attr.ctimensec = static_cast<std::uint32_t>(st.st_ctim.tv_nsec);
  out.attr.mode = st.st_mode;
  out.attr.nlink = static_cast<std::uint32_t>(st.st_nlink);
  out.attr.uid = st.st_uid;
  out.attr.gid = st.st_gid;
  out.attr.blksize = static_cast<std::uint32_t>(st.st_blksize);
}

void do_open(fuse_req_t req, fuse_ino_t inode, fuse_file_info* fi) {
  auto& channel = FuseChannel::of(req);
  const OpenFlags flags = to_open_flags(fi->flags);
  dispatch(
      req,
      [&channel, inode, flags](Request& r) {
        channel.drop_unanswered_open(r);
        return channel.filesystem().open(r, InodeId{inode}, flags);
      },
      [req, &channel, inode, opening = Opening{InodeId{inode}, flags, request_just_read()}](const Opened& opened) {
        // A passthrough read does this itself; a read from the kernel's pages does not. The size of what changed elsewhere
        // must be right at once.
        if ((opened.accessed && !opened.passthrough) || !opened.keep_cache) channel.forget_attributes(InodeId{inode});
        // libfuse 3.14 cannot say "passthrough" in its own answer, so the answer is written as the kernel reads it.
        fuse_open_out out = open_out(channel, opened, opening);
        // ENOENT: the caller was interrupted, and nobody will release the handle.
        if (fuse_reply_buf(req, reinterpret_cast<const char*>(&out), sizeof out) == -ENOENT)
          channel.end_handle(opened.handle);
      });
}

void reply_created(fuse_req_t req, FuseChannel& channel, const Filesystem::Created& created, Opening opening) {
  struct {
    fuse_entry_out entry;
    fuse_open_out open;
  } out = {};
  fill_entry(out.entry, created.node);
  opening.inode = number_of(created.node);
  out.open = open_out(channel, created.opened, opening);
  if (fuse_reply_buf(req, reinterpret_cast<const char*>(&out), sizeof out) == -ENOENT) {
    channel.end_handle(created.opened.handle);
    channel.filesystem().forget(number_of(created.node));  // goes if it has no name: the kernel never heard of it
  }
}

/// What the process before created, opened: the name was free then.
Result<Filesystem::Created> open_created(FuseChannel& channel, Request& request, InodeId inode, OpenFlags flags) {
  flags.truncate = flags.exclusive = false;
  Filesystem::Created created;
  created.node = TRY(channel.filesystem().get_attributes(request, inode));
  created.opened = TRY(channel.filesystem().open(request, inode, flags));
  return created;
}

void do_create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* fi) {
  auto& channel = FuseChannel::of(req);
  const OpenFlags flags = to_open_flags(fi->flags);
  dispatch(
      req,
      once(
          channel,
          [&channel, parent, name = std::string(name), mode, flags](Request& r) {
            channel.drop_unanswered_open(r);
            Filesystem& fs = channel.filesystem();
            return name == kNoName ? fs.create_unnamed(r, InodeId{parent}, mode, flags)
                                   : fs.create(r, InodeId{parent}, name, mode, flags);
          },
          [&channel, flags](Request& r, Lsn lsn) {
            channel.drop_unanswered_open(r);
            return open_created(channel, r, channel.made_by(lsn), flags);
          }),
      [req, &channel, opening = Opening{{}, flags, request_just_read()}](const Filesystem::Created& created) {
        reply_created(req, channel, created, opening);
      });
}

void reply_file_range(fuse_req_t req, const ReadReply& reply) {
  // One buffer a thread, as large as the largest request: a read answered from a pipe costs more calls than the copy.
  thread_local std::vector<char> buffer(kMaxRequestBytes);
  std::size_t done = 0, want = std::min(reply.length, buffer.size());
  while (done < want) {
    ssize_t n = ::pread(reply.file->fd(), buffer.data() + done, want - done, static_cast<off_t>(reply.offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      int err = errno;
      log_error("channel.backing_read_failed", {{"inode", reply.file->inode().value}, {"errno", err}});
      fuse_reply_err(req, err);
      return;
    }
    if (n == 0) {
      // The tables say that these bytes are valid: past the backing file's end they are a hole.
      std::memset(buffer.data() + done, 0, want - done);
      break;
    }
    done += static_cast<std::size_t>(n);
  }
  fuse_reply_buf(req, buffer.data(), want);
}

void do_read(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* fi) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch(
      req,
      [&fs, handle = HandleId{fi->fh}, offset, size](Request& r) {
        return fs.read(r, handle, static_cast<std::uint64_t>(offset), size);
      },
      [req](const ReadReply& reply) {
        if (reply.file)
          reply_file_range(req, reply);
        else
          fuse_reply_buf(req, reinterpret_cast<const char*>(reply.bytes.data()), reply.bytes.size());
      });
}

Result<std::size_t> copy_to_file(fuse_bufvec* source, int fd, std::uint64_t offset) {
  std::size_t size = fuse_buf_size(source);
  fuse_bufvec target = FUSE_BUFVEC_INIT(size);
  target.buf[0].flags = static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK | FUSE_BUF_FD_RETRY);
  target.buf[0].fd = fd;
  target.buf[0].pos = static_cast<off_t>(offset);
  ssize_t n = fuse_buf_copy(&target, source, FUSE_BUF_SPLICE_MOVE);
  if (n < 0) return Error::from_errno(static_cast<int>(-n), "write the backing file");
  return static_cast<std::size_t>(n);
}

/// The bytes lie in the buffer of the thread that read the request, and go from there to the file. Only the write that lacks
/// something (the list of the file's blocks) keeps them while it waits.
struct Write {
  FuseChannel& channel;
  HandleId handle;
  std::uint64_t offset;
  bool of_pages;
  fuse_bufvec* borrowed;
  KeptBytes::Kept kept = {};

  Result<std::size_t> operator()(Request& request) {
    fuse_bufvec own = FUSE_BUFVEC_INIT(kept ? kept->size() : 0);
    if (kept) own.buf[0].mem = kept->data();
    fuse_bufvec* source = kept ? &own : borrowed;
    source->idx = source->off = 0;
    request.of_pages = of_pages;
    return channel.filesystem().write(request, handle, offset, fuse_buf_size(source),
                                      [source](int fd, std::uint64_t at) { return copy_to_file(source, fd, at); });
  }
  Status keep() {
    kept = TRY(channel.kept_bytes().room_for(fuse_buf_size(borrowed)));
    fuse_bufvec copy = FUSE_BUFVEC_INIT(kept->size());
    copy.buf[0].mem = kept->data();
    borrowed->idx = borrowed->off = 0;
    if (fuse_buf_copy(&copy, borrowed, fuse_buf_copy_flags{}) != static_cast<ssize_t>(kept->size()))
      return Error(Code::kIo, "what is to be written could not be kept");
    borrowed = nullptr;
    return {};
  }
};

void do_write_buf(fuse_req_t req, fuse_ino_t, fuse_bufvec* source, off_t offset, fuse_file_info* fi) {
  FuseChannel& channel = FuseChannel::of(req);
  const HandleId handle{fi->fh};
  const bool sync = (fi->flags & O_DSYNC) != 0 && fi->writepage == 0 && channel.filesystem().syncs_remotely();
  dispatch(req, Write{channel, handle, static_cast<std::uint64_t>(offset), fi->writepage != 0, source},
           [req, &channel, handle, sync](std::size_t written) {
             if (!sync) {
               fuse_reply_write(req, written);
               return;
             }
             channel.slow_calls().run_remote_sync(
                 req, [&fs = channel.filesystem(), handle](Request& r) { return fs.sync_file(r, handle, true); },
                 [req, written] { fuse_reply_write(req, written); });
           });
}

void do_flush(fuse_req_t req, fuse_ino_t, fuse_file_info* fi) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch_status(req, [&fs, handle = HandleId{fi->fh}](Request& r) { return fs.flush(r, handle); });
}

void do_fsync(fuse_req_t req, fuse_ino_t, int data_only, fuse_file_info* fi) {
  auto& channel = FuseChannel::of(req);
  channel.slow_calls().run_blocking(
      req, [&fs = channel.filesystem(), handle = HandleId{fi->fh}, data_only](Request& r) {
        return fs.sync_file(r, handle, data_only != 0);
      });
}

void do_release(fuse_req_t req, fuse_ino_t, fuse_file_info* fi) {
  auto& channel = FuseChannel::of(req);
  guarded(req, [&] {
    channel.end_handle(HandleId{fi->fh});
    fuse_reply_err(req, 0);
  });
}

void do_fallocate(fuse_req_t req, fuse_ino_t, int mode, off_t offset, off_t length, fuse_file_info* fi) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch_status(req, [&fs, handle = HandleId{fi->fh}, mode, offset, length](Request& r) {
    return fs.allocate(r, handle, mode, static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length));
  });
}

void do_copy_file_range(fuse_req_t req, fuse_ino_t, off_t from_offset, fuse_file_info* from, fuse_ino_t, off_t to_offset,
                        fuse_file_info* to, std::size_t length, int) {
  Filesystem& fs = FuseChannel::of(req).filesystem();
  dispatch(
      req,
      [&fs, from = HandleId{from->fh}, from_offset, to = HandleId{to->fh}, to_offset, length](Request& r) {
        return fs.copy_range(r, from, static_cast<std::uint64_t>(from_offset), to,
                             static_cast<std::uint64_t>(to_offset), length);
      },
      [req](std::size_t copied) { fuse_reply_write(req, copied); });
}

void do_lseek(fuse_req_t req, fuse_ino_t inode, off_t offset, int whence, fuse_file_info* fi) {
  auto& channel = FuseChannel::of(req);
  dispatch(
      req,
      [&channel, inode, handle = HandleId{fi->fh}, offset, whence, again = false](Request& r) mutable -> Result<std::uint64_t> {
        Filesystem& fs = channel.filesystem();
        // What a mapping has put into a hole is data before the kernel has written it.
        if (fs.kernel_may_hold_writes(handle)) {
          if (!std::exchange(again, true)) {
            r.need = Need{Need::Kind::kAgain, InodeId{inode}, {}};
            return Error(Code::kNotPresent, "the kernel is asked first");
          }
          TRY(channel.take_pages(InodeId{inode}));
        }
        return fs.seek(r, handle, static_cast<std::uint64_t>(offset), whence);
      },
      [req](std::uint64_t at) { fuse_reply_lseek(req, static_cast<off_t>(at)); });
}

}  // namespace

void add_file_operations(fuse_lowlevel_ops& ops) {
  ops.create = do_create;
  ops.open = do_open;
  ops.read = do_read;
  ops.write_buf = do_write_buf;
  ops.flush = do_flush;
  ops.fsync = do_fsync;
  ops.release = do_release;
  ops.fallocate = do_fallocate;
  ops.copy_file_range = do_copy_file_range;
  ops.lseek = do_lseek;
}

}  // namespace skymoor::client
