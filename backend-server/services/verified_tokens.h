// VerifiedTokens: access tokens whose signature was found right. Private to the room.
#pragma once
#include <list>
#include <optional>
#include <unordered_map>

#include "backend-server/services/lock_ranks.h"
#include "shared/crypto/token.h"

namespace skymoor::server {

/// Remembers what the tokens asked for last say, by the SHA-256 of the whole token, so that a device that makes many requests
/// with one token has its signature checked once. Says nothing of time, sessions or devices: whoever asks looks at those
/// anew. Holds at most `limit` tokens; the one not asked for longest goes. Thread-safe. Failure: without memory nothing is
/// added (std::bad_alloc).
class VerifiedTokens {
 public:
  explicit VerifiedTokens(std::size_t limit) : limit_(limit), mutex_(kVerifiedTokensRank, "verified_tokens") {}

  std::optional<crypto::AccessClaims> find(const Hash256& token);
  void add(const Hash256& token, const crypto::AccessClaims& claims);
  std::size_t size() const;

 private:
  struct Known {
    Hash256 token;
    crypto::AccessClaims claims;
  };
  using ByUse = std::list<Known>;

  const std::size_t limit_;
  // Guarded by mutex_.
  mutable Mutex mutex_;
  ByUse by_use_ GUARDED_BY(mutex_);  ///< asked for last first
  std::unordered_map<Hash256, ByUse::iterator> at_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::server
