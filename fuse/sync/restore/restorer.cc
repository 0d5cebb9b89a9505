#include "fuse/sync/restore/restorer.h"

#include "fuse/sync/plan/net_effects.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {
constexpr int kMaxConflicts = 20;   // looks in a row that somebody else's commit made useless

constexpr const char* kAsk =
    "; nothing was changed here. See 'skymoor status' and 'skymoor doctor', and ask whoever runs the server";
}  // namespace

/// One restore, from where histories part to the last step.
struct Restorer::Episode {
  SyncPosition at;                       ///< where this device was
  protocol::VolumeInfo info;
  NewHistory::Parting parting;
  std::unique_ptr<NewHistory> history;
  std::unique_ptr<LostContents> contents;
  WriterId writer;                       ///< of op ids and inodes made here; leased for the first commit
  std::uint64_t ids = 0, commits = 0;
  std::set<InodeId> given;
  std::size_t max_effects = 0;
};

Restorer::Restorer(Dependencies dependencies) : d_(std::move(dependencies)) { load(); }

Error Restorer::stop(std::string reason) {
  reason += kAsk;
  d_.connection.stop_for_good(reason);
  return Error(Code::kUnknownServer, std::move(reason));
}

/// The server says that it was put back, if it has not said so already.
Result<protocol::VolumeInfo> Restorer::new_epoch(const protocol::VolumeInfo& info, const SyncPosition& at,
                                                 const CallOptions& options) {
  if (info.epoch > at.epoch) return info;
  const auto signature = crypto::ed25519_sign(
      d_.device_key, ahead_signing_input(d_.store.identity().volume, at.epoch, at.cursor, at.hash));
  auto begun = d_.remote.begin_epoch({at.epoch, at.cursor, at.hash, Bytes(signature.begin(), signature.end())}, options);
  if (!begun.ok()) {
    const Code code = begun.error().code();
    const bool refused = code == Code::kInvalidArgument || code == Code::kForbidden || code == Code::kNotFound ||
                         code == Code::kBadSignature || code == Code::kUnprocessable;
    if (refused)
      return stop("the server has lost changes that this device has seen, or shows it another history than before, and "
                  "does not say that it was put back from a backup (" + begun.error().to_string() + ")");
    return std::move(begun).error();
  }
  if (begun->epoch <= at.epoch) return stop("the server shows another history than before and begins no new epoch for it");
  return begun;
}

Status Restorer::run(const CallOptions& options) {
  Episode episode;
  episode.at = d_.store.position();
  episode.max_effects = d_.max_effects;
  episode.info = TRY(d_.remote.info(options));
  if (episode.info.id != d_.store.identity().volume) return stop("the server answers with another volume");
  if (!episode.info.head && episode.at.cursor) return stop("the server's volume is empty, and this device's is not");
  const SyncPosition& at = episode.at;
  NewHistory::Dependencies parts{d_.remote, d_.opener, d_.store, d_.cipher};
  auto parting = NewHistory(parts, at.epoch, episode.info.epoch).part(d_.history, at, episode.info, options);
  if (!parting.ok() && parting.error().code() == Code::kCorrupt)
    return stop("the server's history is damaged or forged: " + parting.error().to_string());
  episode.parting = TRY(std::move(parting));
  if (episode.parting.sequence == at.cursor && episode.info.epoch >= at.epoch) return go_on_behind(at, episode.info);
  if (!episode.parting.sequence && episode.parting.exact)
    return stop("the server's volume has another history from its first change on");
  episode.info = TRY(new_epoch(episode.info, at, options));
  log_warn("sync.restore.begun", {{"epoch", episode.info.epoch.value},
                                  {"cursor", at.cursor.value},
                                  {"common", episode.parting.sequence.value},
                                  {"head", episode.info.head.value}});
  // A prefix that was given to this device after the backup was made.
  if (auto mine = d_.remote.lease_writer(d_.store.identity().writer, options); !mine.ok()) {
    if (mine.error().code() == Code::kAlreadyExists)
      return stop("the server has given this device's prefix of ids to another device: log in as a new device");
    if (mine.error().code() != Code::kForbidden) return std::move(mine).error();  // a reader gives nothing back
  }
  episode.history = std::make_unique<NewHistory>(parts, at.epoch, episode.info.epoch);
  episode.contents = std::make_unique<LostContents>(LostContents::Dependencies{d_.store, d_.backing, d_.upload});
  d_.upload.known.clear();
  return catch_up(episode, options);
}

/// This device had seen nothing but what the server still has.
Status Restorer::go_on_behind(const SyncPosition& at, const protocol::VolumeInfo& info) {
  if (info.epoch == at.epoch) return stop("the server's history is damaged or forged");
  MetadataStore::Adoption adoption;
  adoption.epoch = info.epoch;
  adoption.cursor = adoption.sequence = at.cursor;
  adoption.hash = at.hash;
  TRY(d_.applier.adopt(adoption));
  log_info("sync.restore.behind", {{"epoch", info.epoch.value}, {"cursor", at.cursor.value}});
  return {};
}

Status Restorer::catch_up(Episode& episode, const CallOptions& options) {
  for (int conflicts = 0; conflicts < kMaxConflicts;) {
    if (options.stop.stop_requested()) return Error(Code::kCancelled, "stopped");
    auto done = step(episode, options);
    if (done.ok() && *done) return {};
    if (done.ok()) {
      conflicts = 0;
      continue;
    }
    switch (done.error().code()) {
      case Code::kConflict: ++conflicts; break;
      case Code::kBlockMissing:
        ++conflicts;
        episode.contents = std::make_unique<LostContents>(LostContents::Dependencies{d_.store, d_.backing, d_.upload});
        d_.upload.known.clear();
        break;
      case Code::kTooLarge:
        if (episode.max_effects <= 1) return std::move(done).error();
        episode.max_effects = std::max<std::size_t>(1, episode.max_effects / 4);
        break;
      case Code::kCorrupt:
      case Code::kBadSignature:
        return stop("the server's history is damaged or forged: " + done.error().to_string());
      default: return std::move(done).error();
    }
  }
  return Error(Code::kBusy, "others change the volume too fast to give back to the server what it has lost");
}

Result<bool> Restorer::step(Episode& episode, const CallOptions& options) {
  episode.info = TRY(d_.remote.info(options));
  TRY(episode.history->read_on(episode.parting, options));
  auto mine = TRY(d_.store.confirmed());
  const std::vector<InodeId> lost = TRY(mine->changed_after(episode.parting.sequence));
  ServerTree server({d_.remote, d_.cipher, d_.directories, *mine, *episode.history, options}, episode.info);
  if (!episode.writer && !lost.empty() && episode.info.role != protocol::Role::kReader)
    episode.writer = TRY(d_.remote.lease_writer(std::nullopt, options));
  GiveBack given({*mine, server, *episode.history, *episode.contents, d_.context, episode.at.cursor, episode.writer,
                  episode.ids, d_.clock.now(), episode.max_effects, options});
  TRY(given.run(lost));
  std::vector<TreeEffect> effects = TRY(net_effects(given.tree()));
  if (!effects.empty() && episode.info.role == protocol::Role::kReader)
    return Error(Code::kForbidden, "the server was put back from a backup, and this device may only read: it waits for one "
                                   "that gives back what the server has lost");
  if (!effects.empty()) {
    TRY(given.fill_in(effects));
    TRY(send(episode, given, std::move(effects), options));
    return false;
  }
  if (given.more()) return Error(Code::kInternal, "what the server has lost does not come to an end");
  RestoreReport report{episode.info.epoch, d_.clock.now(), episode.given.size(), name(given.missing(), *mine)};
  for (const RestoreReport::Missing& missing : report.missing)
    log_warn("sync.restore.content_missing", {{"path", missing.path}, {"inode", missing.inode.value}});
  TRY(adopt(episode, given, server, lost));
  {
    MutexLock lock(mutex_);
    report_ = std::move(report);
  }
  save();
  log_warn("sync.restore.done", {{"epoch", episode.info.epoch.value},
                                 {"given_back", std::uint64_t{episode.given.size()}},
                                 {"commits", episode.commits},
                                 {"missing", std::uint64_t{given.missing().size()}}});
  return true;
}

Status Restorer::send(Episode& episode, GiveBack& given, std::vector<TreeEffect> effects, const CallOptions& options) {
  const protocol::VolumeInfo& info = episode.info;
  const SyncPosition base{info.epoch, info.head, info.head_hash, {}};
  const auto reads = given.reads();
  CommitSealer::Request request{base, Lsn{}, d_.clock.now(), effects, reads, given.tree()};
  request.op = OpId{episode.writer, ++episode.ids};
  request.restored = Restored{episode.at.epoch, given.states()};
  const SignedCommit sealed = TRY(d_.sealer.seal(request));
  auto reply = d_.remote.commit(sealed, options);
  d_.connection.note(reply.ok() ? Status() : Status(reply.error()));
  if (!reply.ok()) return std::move(reply).error();
  if (reply->sequence.value == info.head.value + 1 && reply->hash != FeedOpener::next_hash(info.head_hash, sealed))
    return Error(Code::kCorrupt, "the server's chain of changes does not go on from where it was");
  for (const Restored::State& state : given.states()) episode.given.insert(state.inode);
  ++episode.commits;
  return {};
}

Status Restorer::adopt(Episode& episode, const GiveBack& given, ServerTree& server, const std::vector<InodeId>& lost) {
  MetadataStore::Adoption adoption;
  adoption.epoch = episode.info.epoch;
  adoption.cursor = episode.parting.sequence;
  adoption.hash = episode.parting.hash;
  adoption.sequence = server.sequence();
  for (InodeId inode : lost) {
    const auto* row = TRY(server.row(inode));
    const bool live = row && (row->inode.links > 0 || inode == kRootInode);
    if (!live) {
      adoption.gone.push_back(inode);
      continue;
    }
    adoption.inodes.push_back(*row);
    adoption.inodes.back().name.clear();
    // A directory that was moved since to where no listing has looked: the feed passes over what is known already.
    if (row->inode.attributes.type == FileType::kDirectory)
      if (const auto places = TRY(server.places(inode)); !places.empty())
        adoption.inodes.back().inode.parent = places.front().directory;
  }
  for (InodeId directory : given.directories()) {
    const auto node = TRY(server.node(directory));
    if (!node || !node->live()) continue;
    MetadataStore::Adoption::Listing listing{directory, {}};
    for (const auto& [name, inode] : *TRY(server.entries(directory))) {
      listing.entries.push_back(*TRY(server.row(inode)));
      listing.entries.back().name = name;
    }
    adoption.listings.push_back(std::move(listing));
  }
  TRY(d_.applier.adopt(adoption));
  d_.applier.need_rebase();
  d_.history.cut(adoption.cursor);
  return {};
}

}  // namespace skymoor::client
