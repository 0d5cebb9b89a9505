// ChangesService: the feed of a volume's commits, and who waits for the next one.
#pragma once
#include <functional>
#include <map>
#include <memory>

#include "backend-server/services/caller.h"
#include "shared/base/mutex.h"
#include "shared/model/change.h"

namespace skymoor::server {

class MetadataStore;

/// Pages of the feed and notices of its growth. Thread-safe. Subscriptions live in memory; a subscriber that restarts
/// reads the feed from its cursor. Failure: a lost notice is repaired by the next.
class ChangesService {
 public:
  struct Options {
    std::size_t max_subscriptions_per_user = 64;
    std::size_t max_page_bytes = 8u << 20;
  };
  explicit ChangesService(MetadataStore& store) : ChangesService(store, Options{}) {}
  ChangesService(MetadataStore& store, Options options);
  ~ChangesService();

  /// Commits after `after`, in order and without gaps: as many as fit `max_bytes`, at least one if there is one.
  /// Errors: NotFound; Resync (other epoch, cursor in the future, or before what is kept).
  Result<FeedPage> page(const Caller& caller, const VolumeId& volume, Sequence after, Epoch epoch,
                        std::size_t max_bytes = 4u << 20);

  /// Ends the subscription when it goes: no call of the callback begins after the destructor returned, and the destructor
  /// waits for one under way (so never destroy it inside the callback). May outlive the service.
  class Subscription {
   public:
    Subscription() = default;
    Subscription(Subscription&& other) noexcept = default;
    Subscription& operator=(Subscription&& other) noexcept;
    ~Subscription() { reset(); }
    void reset();

   private:
    friend class ChangesService;
    struct Entry;
    struct Registry;
    std::shared_ptr<Registry> registry_;
    std::shared_ptr<Entry> entry_;
  };
  using Callback = std::function<void(Sequence head)>;
  /// Calls `callback` once before returning with the present head, then after each group of commits with the new head
  /// (never with a lower one), from the thread of a committer: it must not block, must not call this service, and must
  /// not throw. Errors: NotFound, RateLimited (too many of the caller).
  Result<Subscription> subscribe(const Caller& caller, const VolumeId& volume, Callback callback);

  /// Tells the subscribers that the volume has grown. For NamespaceService.
  void published(const VolumeId& volume, Sequence head);

 private:
  // Constant after construction.
  MetadataStore& store_;
  const Options options_;
  const std::shared_ptr<Subscription::Registry> registry_;  ///< own synchronisation
};

}  // namespace skymoor::server
