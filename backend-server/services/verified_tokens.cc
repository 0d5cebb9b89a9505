#include "backend-server/services/verified_tokens.h"

namespace skymoor::server {

std::optional<crypto::AccessClaims> VerifiedTokens::find(const Hash256& token) {
  MutexLock lock(mutex_);
  const auto found = at_.find(token);
  if (found == at_.end()) return std::nullopt;
  by_use_.splice(by_use_.begin(), by_use_, found->second);
  return found->second->claims;
}

void VerifiedTokens::add(const Hash256& token, const crypto::AccessClaims& claims) {
  ByUse fresh;
  fresh.push_back({token, claims});
  MutexLock lock(mutex_);
  if (!at_.emplace(token, fresh.begin()).second) return;  // another request with it was as quick
  by_use_.splice(by_use_.begin(), fresh);
  if (by_use_.size() <= limit_) return;
  at_.erase(by_use_.back().token);
  by_use_.pop_back();
}

std::size_t VerifiedTokens::size() const {
  MutexLock lock(mutex_);
  return by_use_.size();
}

}  // namespace skymoor::server
