// Feed entries: what the server holds now, and how that shows here.
#include <algorithm>

#include "fuse/journal/confirmed/confirmed_edit.h"
#include "shared/base/log.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxCleaned = 16384;

}  // namespace

// Runs one transaction over the confirmed tree, under the caller's locks. Records made on a tree that somebody else's
// change is part of must not survive a power cut without it: `depended` gives the transaction a number, which such
// records carry.
Result<VisibleChanges> JournaledMetadataStore::edit_confirmed(const MutexLock& lock, const MutexLock& writer,
                                                              const SyncPosition& position, bool depended,
                                                              ConfirmedEdit& edit, const std::function<Status()>& fill) {
  TRY(MustFinish::ready());
  held_back_ = 0;
  settle(lock, writer);
  VisibleChanges changes;
  auto transaction = TRY(sqlite::Transaction::begin(writer_->db()));
  TRY(fill());
  TRY(edit.write(changes));
  TRY(write_position(*writer_, position));
  TRY(writer_->erase_tombstones_up_to(position.acknowledged));
  if (depended) TRY(writer_->put_meta("transaction", transaction_ + 1));
  TRY(disk_.fault("journal.confirm"));
  TRY(transaction.commit());
  MustFinish finishing;   // what the database says memory has to say
  ++database_writes_;
  if (depended) {
    ++transaction_;
    dependency_write_ = database_writes_.load();
  }
  note_unfolded(edit.rows());
  edit.publish();
  acknowledged_ = position.acknowledged.value;
  std::erase_if(copies_, [&](InodeId copy) { return counter_of(copy) <= acknowledged_; });
  std::erase_if(replaced_, [&](const auto& one) { return one.second <= position.acknowledged; });
  std::uint64_t synced = database_writes_synced_;
  if (synced > cleaned_checked_) std::erase_if(cleaned_, [&](const auto& one) { return one.second <= synced; });
  cleaned_checked_ = synced;
  {
    MutexLock status(status_mutex_);
    position_ = position;
  }
  trim(lock);
  return changes;
}

std::optional<InodeId> JournaledMetadataStore::held_back() {
  const std::uint64_t inode = held_back_;
  return inode == 0 ? std::nullopt : std::optional(InodeId{inode});
}

Status JournaledMetadataStore::may_be_replaced(const MutexLock& lock, InodeId inode) {
  if (!witness_ || !witness_->may_be_written(lock, inode)) return {};
  held_back_ = inode.value;
  return Error(Code::kBusy, "a file that a program has open for writing was changed elsewhere in this moment");
}

Result<VisibleChanges> JournaledMetadataStore::apply_commit(Sequence sequence, const Hash256& hash,
                                                            const std::vector<TreeEffect>& effects, Lsn own_up_to) {
  MutexLock one(checkpoint_mutex_);
  SyncPosition position = this->position();
  bool news = sequence > position.cursor;
  if (sequence.value > position.cursor.value + 1)
    return Error(Code::kResync, "the feed goes on at " + std::to_string(sequence.value) + ", but " +
                                    std::to_string(position.cursor.value + 1) + " is next");
  if (own_up_to > log_->last())
    return Error(Code::kInvalidArgument, "a commit covers records that were never made");
  // What the commit covers must be in the tables: only then is the visible row of a covered object what it was.
  if (own_up_to.value > applied_seen_) TRY(checkpoint_locked());
  if (news) {
    position.cursor = sequence;
    position.hash = hash;
  }
  position.acknowledged = std::max(position.acknowledged, own_up_to);
  if (own_up_to && cleaned_count_ > kMaxCleaned) TRY(sync_database());  // so that the list of them stays short
  MutexLock lock(mutex_);
  if (closed_) return Error(Code::kIo, "the metadata store is closed");
  MutexLock writer(writer_mutex_);
  bool own = own_up_to.value > 0;
  ConfirmedEdit edit(*this, lock, *writer_, {sequence, position.acknowledged, own});
  auto fill = [&]() -> Status {
    if (news)
      for (const TreeEffect& effect : effects) TRY(edit.apply(effect));
    if (own) TRY(edit.settle_covered());
    return forget_listings(position.cursor);
  };
  VisibleChanges changes = TRY(edit_confirmed(lock, writer, position, !own, edit, fill));
  cleaned_count_ = cleaned_.size();
  std::erase_if(listings_, [&](const auto& listing) { return listing.second <= position.cursor; });
  return changes;
}

// A listing newer than the cursor already holds what the feed brings until the cursor has passed it.
Status JournaledMetadataStore::forget_listings(Sequence cursor) {
  if (listings_.empty()) return {};
  auto erase = TRY(writer_->db().prepare("DELETE FROM listing WHERE sequence<=?1"));
  return erase.bind(1, cursor.value).run();
}

Status JournaledMetadataStore::begin_listing(const MutexLock&, InodeId directory, Sequence sequence,
                                             ConfirmedEdit& edit) {
  std::optional<Sequence> before;
  if (auto it = listings_.find(directory); it != listings_.end()) before = it->second;
  listing_now_[directory] = {sequence, before, TRY(edit.known_names(directory))};
  return {};
}

/// The server can have nothing in this writer's name that was not sent from here. Another state of the device has sent it,
/// then (this one was copied, or put back), and these numbers stand for other things: the feed will tell, and ends sync.
Status JournaledMetadataStore::expect_sent(ConfirmedEdit& edit, const InodeRow& row) const {
  if (!identity_.writer) return {};   // a reader has no name that something could be in
  const std::uint64_t sent = std::max(offered_.load(), acknowledged_.load());
  bool unsent = writer_of(row.id) == identity_.writer && counter_of(row.id) > sent;
  // A full commit takes what a file holds by then, ahead of the records behind its cut: the feed, or who sent it, has told of it.
  if (!unsent && row.content.writer == identity_.writer && row.content.counter > std::max(sent, offered_content_.load())) {
    const ConfirmedEdit::Inode* known = TRY(edit.inode(row.id));
    unsent = !known || !known->row || known->row->content != row.content;
  }
  if (!unsent) return {};
  return Error(Code::kUnknownServer, "the server has something of this device that this state directory has not sent");
}

Result<VisibleChanges> JournaledMetadataStore::merge_listing(InodeId directory, Sequence sequence,
                                                             const ListedRow& listed,
                                                             const std::vector<ListedRow>& rows, bool complete,
                                                             bool first) {
  MutexLock one(checkpoint_mutex_);
  SyncPosition position = this->position();
  if (position.cursor > sequence) return Error(Code::kConflict, "the feed has moved on since the listing was made");
  MutexLock lock(mutex_);
  if (closed_) return Error(Code::kIo, "the metadata store is closed");
  MutexLock writer(writer_mutex_);
  bool is_directory = listed.inode.attributes.type == FileType::kDirectory;
  ConfirmedEdit edit(*this, lock, *writer_, {sequence, position.acknowledged, false});
  auto fill = [&]() -> Status {
    ListedRow self = listed;
    self.inode.id = directory;
    TRY(expect_sent(edit, self.inode));
    TRY(edit.merge(self));
    TRY(edit.expect_listing(directory, first && complete));
    if (is_directory && first) TRY(begin_listing(lock, directory, sequence, edit));
    auto listing = listing_now_.find(directory);
    for (const ListedRow& row : rows) {
      TRY(expect_sent(edit, row.inode));
      if (!is_directory || !TRY(edit.add_unheard(directory, row))) {
        TRY(edit.merge(row));
        TRY(edit.merge_name(directory, row));
      }
      if (listing != listing_now_.end()) listing->second.unseen.erase(row.name);
    }
    if (!is_directory) return {};
    if (complete) {
      TRY(edit.set_listed(directory, true));
      if (listing != listing_now_.end())
        for (const std::string& name : listing->second.unseen) TRY(edit.drop_name(directory, name));
    }
    // With the last page the caller has counted the subdirectories.
    if (ConfirmedEdit::Inode* counted = TRY(edit.inode(directory)); complete && counted->row)
      counted->row->links = std::max(listed.inode.links, 2u);
    // One that a crash breaks off is begun anew, and says nothing of what its later pages would have had.
    if (!complete || listing == listing_now_.end() || listing->second.sequence <= position.cursor) return {};
    auto put = TRY(writer_->db().prepare("INSERT OR REPLACE INTO listing(directory,sequence) VALUES(?1,?2)"));
    return put.bind(1, directory.value).bind(2, listing->second.sequence.value).run();
  };
  VisibleChanges changes = TRY(edit_confirmed(lock, writer, position, true, edit, fill));
  MustFinish finishing;
  if (is_directory && complete && edit.reveals()) changes.revealed.push_back(directory);
  if (auto listing = listing_now_.find(directory); listing != listing_now_.end()) {
    if (listing->second.sequence > position.cursor) listings_[directory] = listing->second.sequence;
    if (complete) listing_now_.erase(listing);
  }
  return changes;
}

// Names that its pages brought stay known; the feed goes on from where the listing before it (or none) stood.
void JournaledMetadataStore::abandon_listing(InodeId directory) {
  MutexLock one(checkpoint_mutex_);
  MutexLock lock(mutex_);
  auto listing = listing_now_.find(directory);
  if (listing == listing_now_.end()) return;
  listings_.erase(directory);
  if (listing->second.before) listings_[directory] = *listing->second.before;
  listing_now_.erase(listing);
}

}  // namespace skymoor::client
