#include "shared/model/attributes.h"

#include <sys/stat.h>

namespace skymoor {

void encode(ByteWriter& out, const Attributes& a) {
  out.u8(static_cast<std::uint8_t>(a.type));
  out.u16(static_cast<std::uint16_t>(a.mode));
  out.u32(a.uid);
  out.u32(a.gid);
  out.varint(a.rdev);
  out.varint(a.size);
  for (Timestamp t : {a.atime, a.mtime, a.ctime, a.btime}) out.i64(t.time_since_epoch().count());
}

Attributes decode_attributes(ByteReader& in) {
  Attributes a;
  std::uint8_t type = in.u8();
  if (type < 1 || type > 7) in.fail();
  a.type = static_cast<FileType>(type);
  a.mode = in.u16();
  if (a.mode & ~07777u) in.fail();
  a.uid = in.u32();
  a.gid = in.u32();
  a.rdev = in.varint();
  a.size = in.varint();
  if (a.size > kMaxFileBytes) in.fail();
  for (Timestamp* t : {&a.atime, &a.mtime, &a.ctime, &a.btime}) *t = Timestamp{std::chrono::nanoseconds{in.i64()}};
  return a;
}

Status check_name(std::string_view name) {
  if (name.size() > kMaxNameBytes) return Error(Code::kNameTooLong, "name longer than 255 bytes");
  if (name.empty() || name == "." || name == "..") return Error(Code::kInvalidArgument, "not a name");
  for (char c : name)
    if (c == '/' || c == '\0') return Error(Code::kInvalidArgument, "name with '/' or NUL");
  return {};
}

std::uint32_t format_bits(FileType type) {
  switch (type) {
    case FileType::kFile: return S_IFREG;
    case FileType::kDirectory: return S_IFDIR;
    case FileType::kSymlink: return S_IFLNK;
    case FileType::kFifo: return S_IFIFO;
    case FileType::kSocket: return S_IFSOCK;
    case FileType::kCharDevice: return S_IFCHR;
    case FileType::kBlockDevice: return S_IFBLK;
  }
  return 0;
}

Result<FileType> type_from_mode(std::uint32_t st_mode) {
  switch (st_mode & S_IFMT) {
    case 0:
    case S_IFREG: return FileType::kFile;
    case S_IFDIR: return FileType::kDirectory;
    case S_IFLNK: return FileType::kSymlink;
    case S_IFIFO: return FileType::kFifo;
    case S_IFSOCK: return FileType::kSocket;
    case S_IFCHR: return FileType::kCharDevice;
    case S_IFBLK: return FileType::kBlockDevice;
    default: return Error(Code::kInvalidArgument, "unknown file type");
  }
}

}  // namespace skymoor
