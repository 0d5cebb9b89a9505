// `skymoord fsck`: everything that the server keeps, against everything else that it keeps.
#include <algorithm>
#include <cstdio>
#include <set>

#include <nlohmann/json.hpp>

#include "backend-server/app/commands.h"
#include "backend-server/app/identity.h"
#include "backend-server/app/server_settings.h"
#include "backend-server/app/settings_source.h"
#include "backend-server/block_store/local/segment_block_store.h"
#include "backend-server/metadata_store/metadata_check.h"
#include "shared/base/log.h"

namespace skymoor::server {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kAtOnce = 1000;

/// Findings of both halves.
struct FsckResult {
  MetadataReport metadata;
  std::set<BlockName> damaged;                           ///< at most as many as findings are kept
  std::uint64_t stored_blocks = 0, stored_bytes = 0;
  std::uint64_t unowned_blocks = 0, unowned_bytes = 0;   ///< in the block store, held by no volume: no damage

  void find(std::string what) {
    if (metadata.findings.size() < MetadataReport::kMaxFindings) metadata.findings.push_back({std::move(what), false, false});
    else ++metadata.more_findings;
  }
  std::uint64_t found() const { return metadata.findings.size() + metadata.more_findings; }
  std::uint64_t repaired() const {
    return static_cast<std::uint64_t>(std::count_if(metadata.findings.begin(), metadata.findings.end(),
                                                    [](const Finding& finding) { return finding.repaired; }));
  }
};

std::string name_of_block(const VolumeId& volume, const BlockId& block) {
  return "volume " + volume.hex() + ": block " + block.hex();
}

/// Reads every block: its bytes must have the hash that is its id.
Status check_bytes(BlockStore& blocks, FsckResult& result) {
  ScrubRequest request;
  do {
    ScrubReport step = TRY(blocks.scrub(request));
    result.stored_blocks += step.blocks;
    result.stored_bytes += step.bytes;
    for (const BlockName& name : step.damaged) {
      result.find(name_of_block(name.volume, name.block) + " is damaged; a device that has its bytes and writes them again repairs it");
      if (result.damaged.size() < MetadataReport::kMaxFindings) result.damaged.insert(name);
    }
    request.after = step.next;
  } while (request.after);
  return {};
}

/// What the block store has, against what volumes hold.
Status check_owned(MetadataCheck& metadata, BlockStore& blocks, FsckResult& result) {
  ListRequest request;
  for (bool more = true; more;) {
    BlockPage page = TRY(blocks.list(request));
    for (const StoredBlock& stored : page.blocks) {
      auto held = TRY(metadata.find_block(stored.name.volume, stored.name.block));
      if (!held) {
        ++result.unowned_blocks;
        result.unowned_bytes += stored.bytes;
      } else if (held->stored_bytes != stored.bytes) {
        result.find(name_of_block(stored.name.volume, stored.name.block) + " has " + std::to_string(stored.bytes) +
                    " bytes, and the volume says " + std::to_string(held->stored_bytes));
      }
      request.after = stored.name;
    }
    more = page.more && !page.blocks.empty();
  }
  return {};
}

/// What volumes hold must be in the block store.
Status check_stored(MetadataCheck& metadata, BlockStore& blocks, FsckResult& result) {
  std::vector<NamedBlock> page;
  auto check_page = [&]() -> Status {
    if (page.empty()) return {};
    std::vector<BlockId> ids;
    for (const NamedBlock& block : page) ids.push_back(block.block);
    const VolumeId volume = page.front().volume;
    const auto there = TRY(blocks.contains(volume, ids));
    for (std::size_t i = 0; i < page.size(); ++i)
      if (!there[i] && !result.damaged.contains({volume, ids[i]}))
        result.find(name_of_block(volume, ids[i]) + " is missing from the block store; " +
                    std::to_string(page[i].references) + " versions name it");
    page.clear();
    return {};
  };
  Status visited = metadata.visit_blocks([&](const NamedBlock& block) -> Status {
    if (!page.empty() && (page.size() == kAtOnce || page.front().volume != block.volume)) TRY(check_page());
    page.push_back(block);
    return {};
  });
  return visited.ok() ? check_page() : visited;
}

/// Rows that cannot be read are a finding like any other: what was found before is told.
Status find_damage(const char* part, Status done, FsckResult& result) {
  if (done.ok() || done.error().code() != Code::kCorrupt) return done;
  result.find(std::string("the check of ") + part + " could not go on: " + done.error().message());
  return {};
}

Result<FsckResult> check(const std::string& directory, bool repair) {
  PosixDisk disk;
  SystemRandom random;
  TRY(require_server_data(disk, directory, "metadata.db"));
  auto lock = lock_directory(directory);
  if (!lock.ok()) {
    if (lock.error().code() != Code::kBusy) return std::move(lock).error();
    return Error(Code::kBusy, "a skymoord uses " + directory + " (" + lock.error().message() + "): stop it first");
  }
  FsckResult result;
  auto metadata = TRY(open_sqlite_metadata_check(directory + "/metadata.db"));
  result.metadata = TRY(metadata->run(repair));
  if (!disk.exists(directory + "/blocks")) return result;
  SegmentBlockStore::Options options;
  options.directory = directory + "/blocks";
  auto blocks = TRY(SegmentBlockStore::open(disk, random, std::move(options)));
  TRY(check_bytes(*blocks, result));
  TRY(find_damage("stored blocks", check_owned(*metadata, *blocks, result), result));
  TRY(find_damage("missing blocks", check_stored(*metadata, *blocks, result), result));
  TRY(blocks->close());
  return result;
}

void print_text(const FsckResult& result) {
  for (const Finding& finding : result.metadata.findings)
    std::printf("%s%s\n", finding.what.c_str(), finding.repaired ? " (repaired)" : finding.repairable ? " (--repair puts it right)" : "");
  if (result.metadata.more_findings > 0)
    std::printf("and %llu more\n", static_cast<unsigned long long>(result.metadata.more_findings));
  if (result.unowned_blocks > 0)
    std::printf("%llu stored blocks (%llu bytes) belong to no volume: uploads that were broken off or refused\n",
                static_cast<unsigned long long>(result.unowned_blocks), static_cast<unsigned long long>(result.unowned_bytes));
  std::printf("%llu volumes, %llu commits, %llu inodes, %llu versions, %llu blocks: %s\n",
              static_cast<unsigned long long>(result.metadata.volumes), static_cast<unsigned long long>(result.metadata.commits),
              static_cast<unsigned long long>(result.metadata.inodes), static_cast<unsigned long long>(result.metadata.versions),
              static_cast<unsigned long long>(result.stored_blocks),
              result.found() == 0 ? "in order" : result.found() == result.repaired() ? "repaired" : "damaged");
}

void print_json(const FsckResult& result) {
  Json findings = Json::array();
  for (const Finding& finding : result.metadata.findings)
    findings.push_back({{"what", finding.what}, {"repairable", finding.repairable}, {"repaired", finding.repaired}});
  std::printf("%s\n", Json{{"clean", result.found() == 0},
                           {"found", result.found()},
                           {"repaired", result.repaired()},
                           {"findings", findings},
                           {"volumes", result.metadata.volumes},
                           {"commits", result.metadata.commits},
                           {"inodes", result.metadata.inodes},
                           {"versions", result.metadata.versions},
                           {"blocks", result.stored_blocks},
                           {"block_bytes", result.stored_bytes},
                           {"unowned_blocks", result.unowned_blocks},
                           {"unowned_bytes", result.unowned_bytes}}
                          .dump(2)
                          .c_str());
}

}  // namespace

ExitCode run_fsck(const FsckArguments& arguments) {
  LogOptions log;
  log.level = "error";
  (void)configure_log(log);
  auto settings = read_settings(arguments.settings);
  if (!settings.ok()) return report(settings.error());
  auto result = check(data_directory_of(*settings), arguments.repair);
  if (!result.ok()) return report(result.error());
  arguments.json ? print_json(*result) : print_text(*result);
  return result->found() == result->repaired() ? ExitCode::kOk : ExitCode::kFailure;
}

}  // namespace skymoor::server
