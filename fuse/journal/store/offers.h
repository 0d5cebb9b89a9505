// Offers: which commits of this state may have reached the server without being acknowledged yet.
#pragma once
#include <vector>

#include "shared/base/bytes.h"
#include "shared/base/ids.h"

namespace skymoor::client {

/// A value, kept in meta.offered. Bounded: of more than `kMaxListed` the oldest count as offered whatever they held.
struct Offers {
  struct Offer {
    Lsn up_to;
    Hash256 body;
  };
  static constexpr std::size_t kMaxListed = 64;

  Lsn floor;                   ///< up to here anything may have been offered: nothing was noted of it
  std::vector<Offer> listed;   ///< in the order in which they were sent

  void add(Lsn up_to, const Hash256& body, Lsn acknowledged);
  bool contains(Lsn up_to, const Hash256& body) const;
  Lsn last() const;            ///< the newest record that was offered
};

Bytes encode_offers(const Offers& offers);
/// Errors: Corrupt.
Result<Offers> decode_offers(ByteView bytes);

}  // namespace skymoor::client
