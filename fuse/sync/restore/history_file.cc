#include "fuse/sync/restore/history_file.h"

#include "shared/base/log.h"
#include "shared/model/codec.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kEntryBytes = 8 + 32 + 4;
constexpr std::size_t kHeaderBytes = 8;
constexpr std::string_view kHeader("SKYMHST1");
constexpr std::size_t kMaxBytes = 64u << 20;

Bytes encode(Sequence sequence, const Hash256& hash) {
  ByteWriter out;
  codec::put(out, sequence);
  codec::put(out, hash);
  const std::uint32_t checksum = crc32c(out.view());
  out.u32(checksum);
  return out.take();
}

}  // namespace

HistoryFile::HistoryFile(Disk* disk, const std::string& directory)
    : disk_(directory.empty() ? nullptr : disk), path_(directory + "/history") {
  load();
}

/// Reads up to the first entry that is torn.
void HistoryFile::load() {
  if (!disk_) return;
  if (disk_->exists(path_)) {
    auto bytes = read_file(*disk_, path_, kMaxBytes);
    if (bytes.ok() && bytes->size() >= kHeaderBytes && as_text(ByteView(*bytes).first(kHeaderBytes)) == kHeader) {
      for (std::size_t at = kHeaderBytes; at + kEntryBytes <= bytes->size(); at += kEntryBytes) {
        const ByteView entry = ByteView(*bytes).subspan(at, kEntryBytes);
        ByteReader in(entry);
        Sequence sequence;
        Hash256 hash;
        codec::get(in, sequence);
        codec::get(in, hash);
        if (in.u32() != crc32c(entry.first(kEntryBytes - 4))) break;
        hashes_.erase(hashes_.lower_bound(sequence), hashes_.end());
        hashes_[sequence] = hash;
      }
    }
  }
  thin_out();
  rewrite();
}

void HistoryFile::rewrite() {
  if (!disk_) return;
  file_.reset();
  ByteWriter out;
  out.raw(as_bytes(kHeader));
  for (const auto& [sequence, hash] : hashes_) out.raw(encode(sequence, hash));
  end_ = out.size();
  Status written = write_file_durably(*disk_, path_, out.view());
  auto opened = written.ok() ? disk_->open(path_, {}) : Result<std::unique_ptr<File>>(written.error());
  if (opened.ok()) file_ = std::move(opened).value();
  else log_warn("sync.history.not_written", {{"error", opened.error()}});
}

void HistoryFile::thin_out() {
  if (hashes_.empty() || hashes_.rbegin()->first.value <= kDense) return;
  const Sequence dense{hashes_.rbegin()->first.value - kDense};
  for (auto it = hashes_.begin(); it != hashes_.end() && it->first < dense;)
    it = it->first.value % kStep == 0 ? std::next(it) : hashes_.erase(it);
}

void HistoryFile::note(Sequence sequence, const Hash256& hash) {
  if (!hashes_.empty() && hashes_.rbegin()->first >= sequence) return;
  hashes_[sequence] = hash;
  if (hashes_.size() > 2 * kDense) {
    thin_out();
    rewrite();
    return;
  }
  if (!file_) return;
  const Bytes entry = encode(sequence, hash);
  if (Status written = file_->write_at(end_, entry); !written.ok()) {
    log_warn("sync.history.not_written", {{"error", written.error()}});
    file_.reset();
    return;
  }
  end_ += entry.size();
}

void HistoryFile::cut(Sequence sequence) {
  if (hashes_.empty() || hashes_.rbegin()->first <= sequence) return;
  hashes_.erase(hashes_.upper_bound(sequence), hashes_.end());
  rewrite();
}

}  // namespace skymoor::client
