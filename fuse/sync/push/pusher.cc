#include "fuse/sync/push/pusher.h"

#include "fuse/sync/plan/describe.h"
#include "fuse/sync/plan/net_effects.h"
#include "shared/base/log.h"
#include "shared/crypto/hash.h"

namespace skymoor::client {
namespace {
constexpr int kMaxRefusals = 12;
constexpr std::size_t kMaxUncleaned = 50000;   // inodes whose backing files wait until nothing is to be sent

/// Of this device's own; 0: none.
Lsn newest_content(const std::vector<TreeEffect>& effects, WriterId own) {
  Lsn newest;
  for (const TreeEffect& effect : effects)
    if (const auto* put = std::get_if<PutEffect>(&effect); put && put->content.writer == own)
      newest = std::max(newest, Lsn{put->content.counter});
  return newest;
}

}  // namespace

Pusher::Pusher(Dependencies dependencies) : d_(dependencies), record_limit_(dependencies.max_batch_records) {}

Result<Pusher::Outcome> Pusher::push(const CallOptions& options) {
  more_ = history_differs_ = false;
  const Lsn last = d_.store.last_lsn();
  if (last <= d_.store.position().acknowledged) return Outcome::kIdle;
  if (TRY(ask_again(options))) return Outcome::kPull;
  auto batch = TRY(Batch::open(d_.store, d_.state.aliases, d_.context));
  Batch::Limits limits;
  limits.records = record_limit_;
  // What a batch had ready when it became old goes as it is; what was done since comes right after.
  const Lsn up_to = std::min(last, d_.contents.ready_up_to().value_or(last));
  partial_ = up_to < last;
  Status planned = batch->extend(up_to, limits);
  if (!planned.ok() && planned.error().code() == Code::kNotPresent && batch->lacking()) {
    lacking_ = *batch->lacking();
    return Outcome::kFetch;
  }
  TRY(std::move(planned));
  if (batch->records() == 0) return Outcome::kIdle;
  return settle(*batch, options);
}

/// True: the server took the commit, now or before, and the feed has it.
Result<bool> Pusher::ask_again(const CallOptions& options) {
  if (unanswered_ && unanswered_->cut <= d_.store.position().acknowledged) unanswered_.reset();
  if (!unanswered_) return false;
  auto reply = d_.remote.commit(unanswered_->commit, options);
  d_.connection.note(reply.ok() ? Status() : Status(reply.error()));
  if (!reply.ok() && !is_answer(reply.error().code())) return std::move(reply).error();
  log_info("sync.commit.asked_again", {{"cut", unanswered_->cut.value}, {"taken", reply.ok()}});
  unanswered_.reset();
  return reply.ok();
}

Result<Pusher::Outcome> Pusher::settle(Batch& batch, const CallOptions& options) {
  // The server's limits hold whatever was asked for; ours on records gives way where a prefix needs more of them.
  Batch::Limits limits;
  limits.records = std::max<std::size_t>(record_limit_ * 8, 1000);
  if (record_limit_ < 100) limits.records = record_limit_;
  auto settled = d_.contents.settle(batch, limits, options);
  if (!settled.ok() && settled.error().code() == Code::kNotPresent && batch.lacking()) {
    lacking_ = *batch.lacking();
    return Outcome::kFetch;
  }
  if (!settled.ok() && d_.contents.stuck() && batch.records() > 1) {   // what comes before that file need not wait
    record_limit_ = batch.records() / 2;
    return Outcome::kAgain;
  }
  const auto contents = TRY(std::move(settled));
  if (contents == BatchContents::Outcome::kOld) return Outcome::kOld;
  if (contents == BatchContents::Outcome::kOutOfDate) return Outcome::kReplan;
  if (!batch.made().empty() && d_.state.visible.empty()) return Outcome::kReplan;
  TRY(add_late_xattrs(batch));
  std::vector<TreeEffect> effects = TRY(net_effects(batch.tree()));
  TRY(d_.contents.fill_in(effects));
  more_ = batch.cut() < d_.store.last_lsn() && (partial_ || batch.full(limits));
  if (!effects.empty()) return send(batch, std::move(effects), options);
  TRY(d_.applier.acknowledge({batch.cut(), batch.made(), batch.conflict_names()}));
  return Outcome::kDone;
}

/// A file that had no name while its xattrs were set: what it has now goes with its first name.
Status Pusher::add_late_xattrs(Batch& batch) {
  for (InodeId inode : batch.late_births()) {
    MutexLock lock(d_.store.mutex());
    auto names = d_.store.xattr_names(lock, inode);
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      auto value = d_.store.xattr(lock, inode, name);
      const auto& known = batch.tree().nodes().at(inode).xattrs;
      if (value.ok() && !known.contains(name)) TRY(batch.tree().apply(XattrEffect{inode, name, std::move(*value)}));
    }
  }
  return {};
}

Result<Pusher::Outcome> Pusher::send(Batch& batch, std::vector<TreeEffect> effects, const CallOptions& options) {
  const SyncPosition at = d_.store.position();
  auto sealed = d_.sealer.seal({at, batch.cut(), d_.clock.now(), effects, batch.reads(), batch.tree()});
  if (!sealed.ok() && sealed.error().code() == Code::kTooLarge && batch.records() > 1) {
    record_limit_ = std::max<std::size_t>(1, batch.records() / 2);
    return Outcome::kAgain;
  }
  if (!sealed.ok()) return sealed.error().wrap("make a commit of " + std::to_string(batch.records()) + " changes");
  if (log_debug_enabled())
    log_debug("sync.send", {{"writer", d_.context.writer.value}, {"base", at.cursor.value}, {"cut", batch.cut().value},
                            {"effects", describe(effects)}});
  // From here on the fate of the commit is the server's: what it was planned with must survive a crash.
  TRY(d_.file.save(d_.state));
  TRY(d_.store.note_offered(batch.cut(), crypto::sha256(sealed->payload), newest_content(effects, d_.context.writer)));
  d_.outstanding = Outstanding{{d_.context.writer, batch.cut().value},
                               {batch.cut(), batch.made(), batch.conflict_names()}};
  auto reply = d_.remote.commit(*sealed, options);
  d_.connection.note(reply.ok() ? Status() : Status(reply.error()));
  if (!reply.ok() && !is_answer(reply.error().code())) unanswered_ = Unanswered{batch.cut(), std::move(*sealed)};
  if (!reply.ok()) return refused(std::move(reply).error(), batch);
  return accepted(*reply, *sealed, at, effects);
}

Result<Pusher::Outcome> Pusher::accepted(const protocol::CommitReply& reply, const SignedCommit& commit,
                                         const SyncPosition& at, const std::vector<TreeEffect>& effects) {
  refusals_ = 0;
  record_limit_ = std::min(d_.max_batch_records, record_limit_ * 2);
  remember_to_clean();
  d_.contents.accepted();
  // Others were faster, or this is the stored answer to an older sending: the feed brings it in its place.
  if (reply.sequence.value != at.cursor.value + 1) return Outcome::kPull;
  if (reply.hash != FeedOpener::next_hash(at.hash, commit)) {
    const std::string reason = "the server's chain of changes does not go on from where this device is";
    d_.connection.stop_for_good(reason);
    return Error(Code::kUnknownServer, reason);
  }
  d_.bases.note(at, reply.sequence, reply.hash, d_.outstanding->op);
  const Applier::Own own = std::move(d_.outstanding->own);
  d_.outstanding.reset();
  TRY(d_.applier.apply_own(reply.sequence, reply.hash, effects, own));
  return Outcome::kDone;
}

/// Only an answer says that the commit was not applied.
bool Pusher::is_answer(Code code) {
  return code == Code::kConflict || code == Code::kResync || code == Code::kUnprocessable || code == Code::kBlockMissing ||
         code == Code::kQuotaExceeded || code == Code::kForbidden || code == Code::kNoSpace || code == Code::kTooLarge ||
         code == Code::kInvalidArgument || code == Code::kBadSignature;
}

Result<Pusher::Outcome> Pusher::refused(Error error, const Batch& batch) {
  const Code code = error.code();
  if (!is_answer(code)) {
    remember_to_clean();   // the feed may tell that it was taken
    return error;
  }
  d_.outstanding.reset();
  history_differs_ = code == Code::kResync;
  if (code != Code::kConflict && code != Code::kResync && code != Code::kUnprocessable && code != Code::kBlockMissing)
    return error;
  const Sequence cursor = d_.store.position().cursor;
  refusals_ = cursor == refused_at_ ? refusals_ + 1 : 1;
  refused_at_ = cursor;
  log_info("sync.commit.refused", {{"code", name_of(code)}, {"error", error}, {"records", batch.records()}});
  if (refusals_ > kMaxRefusals) {
    refusals_ = 0;
    const std::string reason = "the server refuses this device's changes again and again: " + error.to_string();
    d_.connection.stop_for_good(reason);
    return Error(Code::kUnknownServer, reason);
  }
  if (code == Code::kBlockMissing) {
    d_.known.clear();
    d_.contents.distrust();
    return Outcome::kAgain;
  }
  return Outcome::kPull;
}

void Pusher::remember_to_clean() {
  if (to_clean_.size() > kMaxUncleaned) clean_up();
  if (to_clean_.size() > kMaxUncleaned) to_clean_.clear();   // what is left behind is found when room is short
  for (const auto& [inode, content] : d_.contents.sent()) to_clean_[inode] = Lsn{content.counter};
}

void Pusher::clean_up() {
  const Lsn acknowledged = d_.store.position().acknowledged;
  std::erase_if(to_clean_, [&](const auto& sent) {
    if (sent.second > acknowledged) return false;
    clean(sent.first);
    return true;
  });
}

void Pusher::clean(InodeId inode) {
  auto file = d_.backing.open_file(inode, false);
  if (!file.ok()) return;
  auto frozen = (*file)->freeze();
  {
    MutexLock lock(d_.store.mutex());
    auto row = d_.store.inode(lock, inode);
    if (!row.ok() || row->links == 0) return;
    auto content = d_.store.content(lock, inode);
    const bool pending = row->content.writer == d_.context.writer &&
                         row->content.counter > d_.store.position().acknowledged.value;
    if (!content.ok() || !content->dirty.empty() || pending) return;
  }
  if (Status cleaned = d_.backing.make_clean(inode); !cleaned.ok())
    log_warn("sync.make_clean.failed", {{"inode", inode.value}, {"error", cleaned.error()}});
}

}  // namespace skymoor::client
