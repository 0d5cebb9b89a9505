#include "backend-server/services/changes.h"

#include <vector>

#include "backend-server/metadata_store/metadata_store.h"
#include "backend-server/services/authorization.h"
#include "backend-server/services/lock_ranks.h"

namespace skymoor::server {
namespace {

/// What an entry adds to a page beside its payload.
constexpr std::size_t kEntryOverhead = 8 + 32 + 64 + 10;

}  // namespace

/// One subscriber. Its mutex is held during a call, so that ending the subscription waits for it.
struct ChangesService::Subscription::Entry {
  Entry(const VolumeId& volume_id, const UserId& user_id, Callback to_call)
      : volume(volume_id), user(user_id), callback(std::move(to_call)), mutex(kSubscriptionRank, "subscription") {}

  void tell(Sequence head) {
    MutexLock lock(mutex);
    if (ended || (told && head <= last)) return;
    told = true;
    last = head;
    callback(head);
  }
  void end() {
    MutexLock lock(mutex);
    ended = true;
  }

  const VolumeId volume;
  const UserId user;
  const Callback callback;
  Mutex mutex;
  Sequence last GUARDED_BY(mutex);
  bool told GUARDED_BY(mutex) = false;
  bool ended GUARDED_BY(mutex) = false;
};

/// All subscribers; shared with the subscriptions, which may outlive the service.
struct ChangesService::Subscription::Registry {
  Mutex mutex{kSubscriptionsRank, "subscriptions"};
  std::multimap<VolumeId, std::shared_ptr<Entry>> entries GUARDED_BY(mutex);
  std::map<UserId, std::size_t> per_user GUARDED_BY(mutex);

  Status add(const std::shared_ptr<Entry>& entry, std::size_t limit) {
    MutexLock lock(mutex);
    std::size_t& count = per_user[entry->user];
    if (count >= limit)
      return Error(Code::kRateLimited, "too many event streams are open; close one or try again in 60 s");
    ++count;
    entries.emplace(entry->volume, entry);
    return {};
  }
  void remove(const Entry& entry) {
    MutexLock lock(mutex);
    auto [at, end] = entries.equal_range(entry.volume);
    while (at != end && at->second.get() != &entry) ++at;
    if (at == end) return;
    entries.erase(at);
    if (auto count = per_user.find(entry.user); --count->second == 0) per_user.erase(count);
  }
  std::vector<std::shared_ptr<Entry>> of(const VolumeId& volume) {
    MutexLock lock(mutex);
    std::vector<std::shared_ptr<Entry>> found;
    auto [at, end] = entries.equal_range(volume);
    for (; at != end; ++at) found.push_back(at->second);
    return found;
  }
};

ChangesService::Subscription& ChangesService::Subscription::operator=(Subscription&& other) noexcept {
  if (this == &other) return *this;
  reset();
  registry_ = std::move(other.registry_);
  entry_ = std::move(other.entry_);
  return *this;
}

void ChangesService::Subscription::reset() {
  if (!entry_) return;
  registry_->remove(*entry_);
  entry_->end();
  entry_.reset();
  registry_.reset();
}

ChangesService::ChangesService(MetadataStore& store, Options options)
    : store_(store), options_(options), registry_(std::make_shared<Subscription::Registry>()) {}
ChangesService::~ChangesService() = default;

Result<FeedPage> ChangesService::page(const Caller& caller, const VolumeId& volume, Sequence after, Epoch epoch,
                                      std::size_t max_bytes) {
  max_bytes = std::min(max_bytes, options_.max_page_bytes);
  return read_from(store_, [&](const ReadTables& tables) -> Result<FeedPage> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kReader));
    const VolumeRow& row = access.volume;
    if (epoch != row.epoch) return Error(Code::kResync, "the volume is in another epoch: read it anew");
    if (after > row.state.head) return Error(Code::kResync, "the cursor is ahead of the volume: read it anew");
    FeedPage page{row.epoch, row.state.head, {}};
    std::size_t bytes = 0;
    Status visited = tables.changes.visit(row.number, after, [&](FeedEntry entry) -> Result<bool> {
      // A gap means that older entries are no longer kept.
      if (entry.sequence.value != after.value + page.entries.size() + 1)
        return Error(Code::kResync, "the feed does not reach back to the cursor: read the volume anew");
      std::size_t size = entry.commit.payload.size() + kEntryOverhead;
      if (!page.entries.empty() && bytes + size > max_bytes) return false;
      bytes += size;
      page.entries.push_back(std::move(entry));
      return bytes < max_bytes;
    });
    if (!visited.ok()) return std::move(visited).error();
    return page;
  });
}

Result<ChangesService::Subscription> ChangesService::subscribe(const Caller& caller, const VolumeId& volume,
                                                               Callback callback) {
  Subscription made;
  made.registry_ = registry_;
  auto entry = std::make_shared<Subscription::Entry>(volume, caller.user, std::move(callback));
  auto find_head = [&](const ReadTables& tables) -> Result<Sequence> {
    return TRY(require_role(tables.volumes, caller, volume, protocol::Role::kReader)).volume.state.head;
  };
  // Authorised before it is entered, read again after: a commit between the two tells the entry itself.
  auto allowed = read_from(store_, find_head);
  if (!allowed.ok()) return std::move(allowed).error();
  TRY(registry_->add(entry, options_.max_subscriptions_per_user));
  made.entry_ = entry;
  auto head = read_from(store_, find_head);
  if (!head.ok()) return std::move(head).error();
  entry->tell(*head);
  return made;
}

void ChangesService::published(const VolumeId& volume, Sequence head) {
  for (const auto& entry : registry_->of(volume)) entry->tell(head);
}

}  // namespace skymoor::server
