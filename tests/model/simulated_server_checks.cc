// What a simulated server must hold, asked of its own services and stores.
#include <stdexcept>

#include "backend-server/metadata_store/metadata_check.h"
#include "shared/block/seal.h"
#include "shared/model/manifest.h"
#include "tests/model/simulated_server.h"

namespace skymoor::client::model {
namespace {

template <typename T>
T must(Result<T> result, const char* what) {
  if (!result.ok()) throw std::runtime_error(std::string("server: ") + what + ": " + result.error().to_string());
  return std::move(result).value();
}
[[noreturn]] void wrong(const std::string& what) { throw std::runtime_error("server: " + what); }

}  // namespace

std::vector<FeedEntry> SimulatedServer::feed() {
  std::vector<FeedEntry> all;
  for (;;) {
    FeedPage page = must(services_->changes().page(caller_of(reader_), key_.volume, Sequence{all.size()}, Epoch{1}), "feed");
    if (page.entries.empty()) return all;
    std::move(page.entries.begin(), page.entries.end(), std::back_inserter(all));
  }
}

std::uint64_t SimulatedServer::head() {
  return must(services_->volumes().info(caller_of(reader_), key_.volume), "info").head.value;
}

void SimulatedServer::verify() {
  verify_feed();
  verify_blocks();
  verify_rows();
}

void SimulatedServer::verify_feed() {
  const auto entries = feed();
  for (const auto& [sequence, hash] : commits_)
    if (sequence.value > entries.size() || entries[sequence.value - 1].hash != hash)
      wrong("lost commit " + std::to_string(sequence.value) + " of " + std::to_string(commits_.rbegin()->first.value) +
            "; the feed ends at " + std::to_string(entries.size()));
}

void SimulatedServer::verify_blocks() {
  const std::vector<BlockId> said(stored_.begin(), stored_.end());
  for (const auto& status : must(services_->blocks().missing(caller_of(reader_), key_.volume, said), "missing blocks"))
    if (status.state != protocol::BlockState::kStored) wrong("lost block " + status.block.hex());
  server::ScrubRequest request;
  do {
    const auto step = must(blocks_->scrub(request), "scrub");
    for (const auto& name : step.damaged) wrong("damaged block " + name.block.hex());
    request.after = step.next;
  } while (request.after);
}

/// As `skymoord fsck`: the database against itself, and what it holds against the block store.
void SimulatedServer::verify_rows() {
  auto check = must(server::open_sqlite_metadata_check(directory_ + "/metadata.db"), "open the check");
  for (const auto& finding : must(check->run(false), "check").findings) wrong("check: " + finding.what);
  const Status visited = check->visit_blocks([&](const server::NamedBlock& named) -> Status {
    const auto there = TRY(blocks_->contains(named.volume, std::span(&named.block, 1)));
    return there[0] ? Status() : Error(Code::kNotFound, "the block store lacks " + named.block.hex());
  });
  if (!visited.ok()) wrong("check: " + visited.error().to_string());
}

std::vector<ListedEntry> SimulatedServer::entries(InodeId directory) {
  std::vector<ListedEntry> all;
  server::DirectoryRequest request{key_.volume, directory, {}, 7, 1u << 20};  // several pages of each
  do {
    auto page = must(services_->names().directory(caller_of(reader_), request), "list");
    std::move(page.entries.begin(), page.entries.end(), std::back_inserter(all));
    request.after = std::move(page.next);
  } while (!request.after.empty());
  return all;
}

std::string SimulatedServer::contents_of(InodeId inode, OpId content, ByteView sealed_manifest) {
  if (sealed_manifest.empty()) return {};
  const Manifest manifest =
      must(decode_manifest(must(cipher_.open_manifest(inode, content, sealed_manifest), "open a manifest")), "a manifest");
  Bytes bytes = manifest.inline_data;
  for (const Chunk& chunk : manifest.chunks) {
    if (chunk.is_hole()) {
      bytes.resize(bytes.size() + chunk.length);
      continue;
    }
    const Bytes sealed = must(services_->blocks().get(caller_of(reader_), key_.volume, chunk.block), "get a block");
    if (Status opened = block::open_block(chunk.block, chunk.key, sealed, static_cast<std::uint32_t>(chunk.length), bytes);
        !opened.ok())
      wrong(opened.error().to_string());
  }
  return std::string(as_text(bytes));
}

void SimulatedServer::walk(InodeId directory, const std::string& path, std::map<std::string, FakeVolumeServer::Plain>& out) {
  for (const ListedEntry& entry : entries(directory)) {
    const InodeRecord& record = entry.inode;
    const std::string name = must(cipher_.open_name(directory, record.inode, entry.sealed_name), "open a name");
    const std::string here = path.empty() ? name : path + "/" + name;
    FakeVolumeServer::Plain& plain = out[here];
    plain.attributes = record.attributes;
    plain.links = record.links;
    for (const SetXattr& xattr : record.xattrs) {
      auto opened = must(cipher_.open_xattr(record.inode, xattr.sealed), "open an xattr");
      plain.xattrs[opened.name] = std::string(as_text(opened.value));
    }
    plain.bytes = contents_of(record.inode, record.content, record.sealed_manifest);
    if (record.attributes.type == FileType::kDirectory) walk(record.inode, here, out);
  }
}

std::map<std::string, FakeVolumeServer::Plain> SimulatedServer::tree() {
  std::map<std::string, FakeVolumeServer::Plain> out;
  walk(kRootInode, "", out);
  return out;
}

std::set<OpId> SimulatedServer::live_contents() {
  std::set<OpId> live;
  std::vector<InodeId> open{kRootInode};
  while (!open.empty()) {
    const InodeId directory = open.back();
    open.pop_back();
    for (const ListedEntry& entry : entries(directory)) {
      live.insert(entry.inode.content);
      if (entry.inode.attributes.type == FileType::kDirectory) open.push_back(entry.inode.inode);
    }
  }
  return live;
}

void SimulatedServer::verify_history(const std::map<OpId, std::string>& known) {
  verify();
  server::HistoryService& history = services_->history();
  for (const FeedEntry& entry : feed()) {
    for (const Effect& effect : must(decode_commit(entry.commit.payload), "a commit").effects) {
      const auto* put = std::get_if<PutContent>(&effect);
      if (!put) continue;
      const auto page = must(decode_version_page(encode_version_page(must(
                                 history.versions(caller_of(reader_), {key_.volume, put->inode}), "versions"))), "versions");
      if (std::none_of(page.versions.begin(), page.versions.end(), [&](const VersionRecord& version) {
            return version.sequence == entry.sequence && version.content == put->content && version.size == put->size;
          }))
        wrong("no version " + std::to_string(entry.sequence.value) + " of inode " + std::to_string(put->inode.value));
      const Bytes sealed = must(history.manifest(caller_of(reader_), key_.volume, put->inode, entry.sequence), "a version");
      const std::string bytes = contents_of(put->inode, put->content, sealed);
      const auto expected = known.find(put->content);
      if (bytes.size() != put->size || (expected != known.end() && expected->second != bytes))
        wrong("version " + std::to_string(entry.sequence.value) + " of inode " + std::to_string(put->inode.value) +
              " is not what was written");
    }
  }
}

}  // namespace skymoor::client::model
