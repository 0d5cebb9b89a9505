// What the restorer tells people, and keeps for later starts. Format: RESTORE.md.
#include "fuse/sync/restore/restorer.h"
#include "shared/base/log.h"
#include "shared/model/codec.h"

namespace skymoor::client {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMaxBytes = 64u << 20;
constexpr std::size_t kMaxMissing = 100000;
constexpr int kMaxDepth = 4096;

std::string path_of(InodeId inode, MetadataStore::Confirmed& mine) {
  std::string path;
  for (int depth = 0; inode != kRootInode && depth < kMaxDepth; ++depth) {
    auto links = mine.links(inode);
    if (!links.ok() || links->empty()) break;
    path = path.empty() ? links->front().name : links->front().name + "/" + path;
    inode = links->front().directory;
  }
  return path;
}

Bytes encode(const RestoreReport& report) {
  ByteWriter out;
  out.u8(kVersion);
  out.u32(report.epoch.value);
  codec::put(out, report.time);
  out.varint(report.given_back);
  out.varint(report.missing.size());
  for (const RestoreReport::Missing& missing : report.missing) {
    codec::put(out, missing.inode);
    codec::put(out, missing.content);
    out.text(missing.path);
  }
  const std::uint32_t checksum = crc32c(out.view());
  out.u32(checksum);
  return out.take();
}

Result<RestoreReport> decode(ByteView bytes) {
  if (bytes.size() < 5) return Error(Code::kCorrupt, "too short");
  const ByteView body = bytes.first(bytes.size() - 4);
  ByteReader tail(bytes.subspan(bytes.size() - 4));
  if (tail.u32() != crc32c(body)) return Error(Code::kCorrupt, "damaged");
  ByteReader in(body);
  if (in.u8() != kVersion) return Error(Code::kCorrupt, "of an unknown version");
  RestoreReport report;
  report.epoch = Epoch{in.u32()};
  codec::get(in, report.time);
  report.given_back = in.varint();
  for (std::size_t n = in.count(kMaxMissing, 21); n > 0 && !in.failed(); --n) {
    RestoreReport::Missing missing;
    codec::get(in, missing.inode);
    codec::get(in, missing.content);
    missing.path = std::string(as_text(in.bytes(kMaxBytes)));
    report.missing.push_back(std::move(missing));
  }
  TRY(in.finish("restored"));
  return report;
}

/// As long as a status waits for names; where it waits in vain, what has come back is told as missing still.
constexpr std::chrono::milliseconds kNamesPatience{100};

}  // namespace

std::vector<RestoreReport::Missing> Restorer::name(const std::vector<GiveBack::Missing>& missing,
                                                   MetadataStore::Confirmed& mine) {
  std::vector<RestoreReport::Missing> named;
  for (const GiveBack::Missing& one : missing) {
    if (named.size() == kMaxMissing) break;
    named.push_back({one.inode, one.content, path_of(one.inode, mine)});
  }
  return named;
}

void Restorer::load() {
  const std::string path = d_.directory + "/restored";
  if (!d_.disk || d_.directory.empty() || !d_.disk->exists(path)) return;
  auto bytes = read_file(*d_.disk, path, kMaxBytes);
  auto report = bytes.ok() ? decode(*bytes) : Result<RestoreReport>(bytes.error());
  if (!report.ok()) {
    log_warn("sync.restore.report_unreadable", {{"error", report.error()}});
    return;
  }
  MutexLock lock(mutex_);
  report_ = std::move(report).value();
}

void Restorer::save() {
  if (!d_.disk || d_.directory.empty()) return;
  Bytes bytes;
  {
    MutexLock lock(mutex_);
    bytes = encode(report_);
  }
  if (Status written = write_file_durably(*d_.disk, d_.directory + "/restored", bytes); !written.ok())
    log_warn("sync.restore.report_not_written", {{"error", written.error()}});
}

RestoreReport Restorer::report() {
  RestoreReport report;
  {
    MutexLock lock(mutex_);
    report = report_;
  }
  if (report.missing.empty()) return report;
  MutexLock lock(d_.store.mutex(), kNamesPatience);
  if (!lock.held()) return report;
  std::erase_if(report.missing, [&](const RestoreReport::Missing& missing) {
    auto row = d_.store.inode(lock, missing.inode);
    return row.ok() && row->links > 0 && row->content == missing.content;
  });
  return report;
}

}  // namespace skymoor::client
