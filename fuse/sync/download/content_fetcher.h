// ContentFetcher: the bytes of files that are not here yet.
#pragma once
#include <list>
#include <map>
#include <memory>

#include "fuse/sync/download/block_reader.h"
#include "fuse/sync/download/directory_fetcher.h"
#include "fuse/sync/download/flight.h"
#include "fuse/sync/download/incoming.h"
#include "shared/base/executor.h"

namespace skymoor::client {

/// Makes ranges of files valid. Chunks are fetched side by side, several to a request; one that is already on its way for
/// somebody else is waited for. Bytes go into the backing file only while local changes are kept out of it, only where it
/// is still not valid, and only once they are authenticated. Where a program sees the backing file as it is, all of the file is
/// fetched before any of it goes there (incoming.h).
///
/// Thread-safe. `stop` ends what waits; destruction needs that nobody is inside.
class ContentFetcher {
 public:
  struct Dependencies {
    MetadataStore& store;
    BackingStore& backing;
    BlockReader& blocks;
    DirectoryFetcher& directories;
    Executor& pool;
    Progress& progress;
    Clock& clock;
    std::size_t parallel = 4;
  };
  explicit ContentFetcher(Dependencies dependencies) : d_(dependencies), incoming_(d_.store, d_.backing) {}

  /// Errors: Interrupted (stop), TimedOut, Offline, NotFound, Io (a block is missing or damaged), NoSpace, Corrupt.
  Status fetch(InodeId inode, Extent extent, Instant deadline, std::stop_token stop);
  /// From time to time: gives back what is kept for nobody.
  void tidy() { incoming_.drop_unwanted(); }
  /// The disk is full: gives back what is only the beginning of something.
  void give_room() { incoming_.clear(); }
  /// Nobody waits any longer; running requests end by their own stop token.
  void stop();

 private:
  struct Layout {
    OpId content;
    Manifest manifest;
    std::vector<std::uint64_t> offsets;
  };
  using FlightKey = std::tuple<InodeId, OpId, std::size_t>;  // inode, content, chunk
  struct Wanted;

  Result<std::optional<Wanted>> look(InodeId inode, Extent extent);
  Result<std::shared_ptr<const Layout>> layout(InodeId inode, OpId content, const Bytes& manifest);
  Status fetch_chunks(const Wanted& wanted, Instant deadline, const std::stop_token& stop);
  std::size_t gather(const Wanted& wanted, const std::vector<std::size_t>& chunks, std::size_t next,
                     std::vector<std::vector<std::size_t>>& requests, std::vector<std::shared_ptr<Flight>>& flights,
                     std::vector<std::size_t>& fresh);
  Status launch(const Wanted& wanted, const std::vector<std::size_t>& chunks);
  bool drop_unawaited(const Wanted& wanted, const std::vector<std::size_t>& chunks);
  void land(const Wanted& wanted, const std::vector<std::size_t>& chunks, const Status& outcome);
  Status run(InodeId inode, const Layout& layout, const std::vector<std::size_t>& asked, const CallOptions& options);
  Result<std::vector<std::size_t>> still_missing(InodeId inode, const Layout& layout, const std::vector<std::size_t>& asked);
  Status wait(const std::vector<std::shared_ptr<Flight>>& flights, Instant deadline, const std::stop_token& stop);
  /// `data`: the range's bytes in pieces; none: zeros.
  Status write(InodeId inode, const Layout& layout, Extent range, BlockReader::Pieces data);
  struct Gap;
  Result<std::optional<Gap>> gap_of(InodeId inode, OpId content, Extent range);
  Status place(InodeId inode, OpId content);
  using Fill = std::function<Result<std::vector<Extent>>(const Gap& gap, BackingFile& file)>;
  Status fill_frozen(InodeId inode, OpId content, Extent range, const Fill& fill);
  static Status fit_size(const Gap& gap, BackingFile& file);
  bool goes_beside(InodeId inode, const Gap& gap);
  Status note_filled(InodeId inode, const Gap& gap, const std::vector<Extent>& filled);

  Dependencies d_;
  Incoming incoming_;
  std::stop_source stopping_;
  // Guarded by mutex_.
  Mutex mutex_{kFlightsRank, "sync.flights"};
  CondVar landed_;
  std::map<FlightKey, std::shared_ptr<Flight>> flights_ GUARDED_BY(mutex_);
  // Guarded by layouts_mutex_.
  Mutex layouts_mutex_{kManifestCacheRank, "sync.layouts"};
  std::list<std::pair<InodeId, std::shared_ptr<const Layout>>> layouts_ GUARDED_BY(layouts_mutex_);  // newest first
};

}  // namespace skymoor::client
