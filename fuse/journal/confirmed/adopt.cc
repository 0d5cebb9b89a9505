// The server was put back from a backup: the confirmed tree goes over to the history that counts now.
#include "fuse/journal/confirmed/confirmed_edit.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

Status adopt_listing(ConfirmedEdit& edit, const MetadataStore::Adoption::Listing& listing) {
  auto unseen = TRY(edit.known_names(listing.directory));
  std::uint32_t subdirectories = 0;
  for (const MetadataStore::ListedRow& row : listing.entries) {
    TRY(edit.merge(row));
    TRY(edit.merge_name(listing.directory, row));
    unseen.erase(row.name);
    if (row.inode.attributes.type == FileType::kDirectory) ++subdirectories;
  }
  for (const std::string& name : unseen) TRY(edit.drop_name(listing.directory, name));
  TRY(edit.set_listed(listing.directory, true));
  if (ConfirmedEdit::Inode* directory = TRY(edit.inode(listing.directory)); directory->row)
    directory->row->links = 2 + subdirectories;
  return {};
}

Status adopt_all(ConfirmedEdit& edit, const MetadataStore::Adoption& adoption) {
  for (const MetadataStore::ListedRow& row : adoption.inodes) TRY(edit.forget_version(row.inode.id));
  for (const MetadataStore::ListedRow& row : adoption.inodes) TRY(edit.merge(row));
  for (InodeId id : adoption.gone) {
    TRY(edit.remove(id));
    for (const std::string& name : TRY(edit.known_names(id))) TRY(edit.drop_name(id, name));
  }
  for (const auto& listing : adoption.listings) TRY(adopt_listing(edit, listing));
  return {};
}

}  // namespace

Result<VisibleChanges> JournaledMetadataStore::adopt(const Adoption& adoption) {
  MutexLock one(checkpoint_mutex_);
  TRY(checkpoint_locked());
  MutexLock lock(mutex_);
  if (closed_) return Error(Code::kIo, "the metadata store is closed");
  MutexLock writer(writer_mutex_);
  SyncPosition position = this->position();
  position.epoch = adoption.epoch;
  position.cursor = adoption.cursor;
  position.hash = adoption.hash;
  ConfirmedEdit edit(*this, lock, *writer_, {adoption.sequence, position.acknowledged, false});
  auto fill = [&]() -> Status {
    // Listings under way, and their sequences, are of the history that counts no more.
    TRY(writer_->db().execute("DELETE FROM listing"));
    TRY(adopt_all(edit, adoption));
    if (adoption.sequence > adoption.cursor) {
      for (const Adoption::Listing& listing : adoption.listings) {
        auto put = TRY(writer_->db().prepare("INSERT OR REPLACE INTO listing(directory,sequence) VALUES(?1,?2)"));
        TRY(put.bind(1, listing.directory.value).bind(2, adoption.sequence.value).run());
      }
    }
    return disk_.fault("journal.adopt");
  };
  VisibleChanges changes = TRY(edit_confirmed(lock, writer, position, true, edit, fill));
  listings_.clear();
  listing_now_.clear();
  if (adoption.sequence > adoption.cursor)
    for (const Adoption::Listing& listing : adoption.listings) listings_[listing.directory] = adoption.sequence;
  return changes;
}

}  // namespace skymoor::client
