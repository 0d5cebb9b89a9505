// A session store in memory, and a server that renews tokens.
#pragma once
#include <gtest/gtest.h>

#include <mutex>

#include "fuse/remote/remote_session.h"
#include "shared/protocol/accounts.h"
#include "shared/protocol/failure.h"
#include "tests/support/http_test_server.h"

namespace skymoor::client {

class MemorySessionStore final : public SessionStore {
 public:
  explicit MemorySessionStore(SessionTokens tokens) : tokens_(std::move(tokens)) {}
  class HeldTurn final : public Turn {
   public:
    explicit HeldTurn(MemorySessionStore& store) : store_(store), lock_(store.turn_) {}
    Status save(const SessionTokens& tokens) override {
      if (store_.fail_save) {
        ++store_.failed_saves;
        return Error(Code::kNoSpace, "disk full");
      }
      std::lock_guard lock(store_.mutex_);
      store_.tokens_ = tokens;
      store_.damaged = false;
      ++store_.saves;
      return {};
    }

   private:
    MemorySessionStore& store_;
    std::unique_lock<std::mutex> lock_;
  };
  Result<SessionTokens> load() override {
    if (damaged) return Error(Code::kCorrupt, "damaged");
    std::lock_guard lock(mutex_);
    return tokens_;
  }
  Result<std::unique_ptr<Turn>> take_turn(const CallOptions&) override {
    return std::unique_ptr<Turn>(std::make_unique<HeldTurn>(*this));
  }
  std::atomic<bool> fail_save{false}, damaged{false};
  std::atomic<int> saves{0}, failed_saves{0};

 private:
  std::mutex mutex_, turn_;
  SessionTokens tokens_;
};

/// Tokens are "access-N" and "refresh-N"; a refresh gives N + 1 and spends N. Only the newest access token is taken.
class TokenServer {
 public:
  /// True when it has answered.
  bool handle(const testing::TestRequest& request, testing::TestConnection& connection) {
    std::lock_guard lock(mutex);
    if (request.target == "/api/auth/refresh") {
      ++refreshes;
      auto message = protocol::decode<protocol::RefreshRequest>(as_bytes(request.body));
      if (!message.ok() || message->refresh_token != "refresh-" + std::to_string(generation)) {
        connection.reply(401, protocol::encode_failure(Error(Code::kUnauthenticated, "spent"), "r"));
        return true;
      }
      ++generation;
      protocol::Session session;
      session.access_token = "access-" + std::to_string(generation);
      session.refresh_token = "refresh-" + std::to_string(generation);
      session.expires_in_s = 600;
      connection.reply(200, encode(session));
      return true;
    }
    auto header = request.headers.find("authorization");
    if (header != request.headers.end() && header->second == "Bearer access-" + std::to_string(generation)) return false;
    ++refusals;
    connection.reply(401, protocol::encode_failure(Error(Code::kUnauthenticated, "token"), "r"));
    return true;
  }
  std::mutex mutex;
  int generation = 1, refreshes = 0, refusals = 0;
};

}  // namespace skymoor::client
