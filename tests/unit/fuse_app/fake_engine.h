// A sync engine that answers as a test says.
#pragma once
#include <mutex>

#include "fuse/sync/sync_engine.h"

namespace skymoor::client {

class FakeEngine final : public SyncEngine {
 public:
  std::function<Status(Lsn, Instant)> on_sync = [](Lsn, Instant) { return Status(); };
  std::optional<protocol::VolumeInfo> info;
  SyncStatus state;
  std::vector<std::string> calls;

  Status step() override { return {}; }
  void wake() override { calls.push_back("wake"); }
  void connect_now() override { calls.push_back("connect_now"); }
  Status sync_to(Lsn lsn, Instant deadline, std::stop_token, std::optional<std::uint64_t>) override { return on_sync(lsn, deadline); }
  std::uint64_t rounds() override { return 0; }
  Status catch_up(Instant, std::stop_token) override { return note("catch up", InodeId{}); }
  bool online() override { return state.online; }
  bool makes_room() override { return false; }
  Status make_room(Instant, std::stop_token) override { return note("room", InodeId{}); }
  Status fetch_directory(InodeId inode, Instant, std::stop_token) override { return note("directory", inode); }
  Status fetch_inode(InodeId inode, Instant, std::stop_token) override { return note("inode", inode); }
  Status fetch_content(InodeId inode, Extent, Instant, std::stop_token) override { return note("content", inode); }
  void prefetch(InodeId inode, Extent) override { (void)note("prefetch", inode); }
  SyncStatus status() override { return state; }
  std::string state_of(InodeId) override { return "synced"; }
  std::optional<protocol::VolumeInfo> volume_info() override { return info; }
  void stop() override {}

 private:
  Status note(const std::string& what, InodeId inode) {
    calls.push_back(what + " " + std::to_string(inode.value));
    return {};
  }
};

}  // namespace skymoor::client
