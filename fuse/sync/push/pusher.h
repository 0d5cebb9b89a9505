// Pusher: takes pending records to the server, one commit at a time.
#pragma once
#include <map>

#include "fuse/sync/feed/puller.h"
#include "fuse/sync/push/batch_contents.h"
#include "fuse/sync/push/commit_sealer.h"

namespace skymoor::client {

/// Used by the sync thread alone. Failure: nothing is acknowledged that the server did not take; after a lost answer the
/// commit is `outstanding` until the feed tells. A feed without it does not tell that it is lost: it may still be on its way, or
/// wait for the server's disk. So before anything else is sent, or taken for done, the very same commit is sent again: the
/// server answers for it once and for all.
class Pusher {
 public:
  struct Dependencies {
    MetadataStore& store;
    BackingStore& backing;
    VolumeRemote& remote;
    BatchContents& contents;
    KnownBlocks& known;
    const CommitSealer& sealer;
    Applier& applier;
    BaseCheck& bases;
    Connection& connection;
    Clock& clock;
    const PlanContext& context;
    SyncState& state;
    SyncStateFile& file;
    std::optional<Outstanding>& outstanding;
    std::size_t max_batch_records = 4000;
  };
  explicit Pusher(Dependencies dependencies);

  enum class Outcome {
    kIdle,        ///< nothing is pending
    kDone,        ///< a batch is acknowledged; there may be more
    kPull,        ///< the server is ahead: pull, then again
    kReplan,      ///< the visible tree is behind the plan: re-plan, then again
    kAgain,       ///< something was put right: again
    kOld,         ///< others' changes came in, or it took long, while contents were sent: again, planned anew
    kFetch,       ///< a directory is not known here: see `lacking`
  };
  /// Errors: what the server or the local disk answers. Stopped for good: UnknownServer.
  Result<Outcome> push(const CallOptions& options);
  InodeId lacking() const { return lacking_; }
  /// The batch that was acknowledged last was cut by a limit: there is more to send at once.
  bool more() const { return more_; }
  /// The server's history is another one now: what was made on the one before is refused whenever it comes.
  void forget_unanswered() { unanswered_.reset(); }
  /// The last commit was refused because the server's history is another one.
  bool history_differs() const { return history_differs_; }
  /// Gives the backing files of what was acknowledged to the cache side: work that an acknowledgement need not wait for.
  void clean_up();
  bool has_uncleaned() const { return !to_clean_.empty(); }

 private:
  struct Unanswered {
    Lsn cut;
    SignedCommit commit;
  };

  Result<bool> ask_again(const CallOptions& options);
  static bool is_answer(Code code);
  Result<Outcome> settle(Batch& batch, const CallOptions& options);
  Result<Outcome> send(Batch& batch, std::vector<TreeEffect> effects, const CallOptions& options);
  Result<Outcome> accepted(const protocol::CommitReply& reply, const SignedCommit& commit, const SyncPosition& at,
                           const std::vector<TreeEffect>& effects);
  Result<Outcome> refused(Error error, const Batch& batch);
  Status add_late_xattrs(Batch& batch);
  void remember_to_clean();
  void clean(InodeId inode);

  Dependencies d_;
  std::size_t record_limit_;
  int refusals_ = 0;                ///< in a row, without anything new in the feed
  Sequence refused_at_;
  InodeId lacking_;
  bool more_ = false, history_differs_ = false;
  bool partial_ = false;            ///< planned up to where contents are ready, though there is more
  std::map<InodeId, Lsn> to_clean_;   ///< what was sent, by the record that made it: a full commit takes a file ahead of that
  std::optional<Unanswered> unanswered_;   ///< the last commit, whose fate is not known; not kept over a restart
};

}  // namespace skymoor::client
