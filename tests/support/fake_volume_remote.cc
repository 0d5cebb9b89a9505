#include "tests/support/fake_volume_remote.h"

#include <algorithm>

#include "shared/block/seal.h"

namespace skymoor::client {

bool FakeVolumeRemote::take_one(std::atomic<int>& count) {
  int have = count.load();
  while (have > 0)
    if (count.compare_exchange_weak(have, have - 1)) return true;
  return false;
}

void FakeVolumeRemote::tamper(Tampering tampering) {
  std::lock_guard lock(state_mutex_);
  tampering_ = std::move(tampering);
}

FakeVolumeRemote::Tampering FakeVolumeRemote::tampering() {
  std::lock_guard lock(state_mutex_);
  return tampering_;
}

Status FakeVolumeRemote::line(std::string_view call) {
  if (offline_) return Error(Code::kOffline, "the line is cut");
  return carry && !call.empty() ? carry(call) : Status();
}

void FakeVolumeRemote::set_offline(bool offline) {
  offline_ = offline;
  std::function<void(const Status&)> tell;
  {
    std::lock_guard lock(state_mutex_);
    tell = on_state_;
  }
  if (tell) tell(line());
  if (offline || !tell) return;
  std::lock_guard lock(server_.listeners_mutex_);
  for (const auto& [id, listener] : server_.listeners_) listener(Sequence{});
}

Result<protocol::VolumeInfo> FakeVolumeRemote::info(CallOptions) {
  TRY(line());
  std::lock_guard lock(server_.mutex_);
  protocol::VolumeInfo info;
  info.id = server_.volume_;
  info.epoch = server_.epoch_;
  info.head = Sequence{server_.log_.size()};
  info.head_hash = server_.log_.empty() ? Hash256{} : server_.log_.back().hash;
  info.free_bytes = 1ull << 40;
  return info;
}

Result<std::vector<protocol::DevicePublic>> FakeVolumeRemote::devices(CallOptions) {
  TRY(line());
  std::vector<protocol::DevicePublic> devices;
  {
    std::lock_guard lock(server_.mutex_);
    devices = server_.devices_;
  }
  if (const auto hostile = tampering(); hostile.devices) hostile.devices(devices);
  return devices;
}

Result<protocol::CommitReply> FakeVolumeRemote::commit(const SignedCommit& commit, CallOptions) {
  TRY(line());
  if (carry_commit) return carry_commit(commit, [this](const SignedCommit& one) { return server_.commit(one); });
  if (take_one(lose_commits)) return Error(Code::kTimedOut, "the commit got lost");
  if (take_one(refuse_commits)) return Error(Code::kConflict, "refused by the test");
  auto reply = server_.commit(commit);
  if (repeat_commits && reply.ok()) {
    auto again = server_.commit(commit);
    if (!again.ok() || again->sequence != reply->sequence) return Error(Code::kInternal, "a repeated commit differs");
  }
  if (reply.ok() && take_one(lose_commit_answers)) return Error(Code::kOffline, "the answer got lost");
  return reply;
}

Result<FeedPage> FakeVolumeRemote::changes(Epoch epoch, Sequence after, std::size_t max_bytes, CallOptions) {
  TRY(line("changes"));
  std::lock_guard lock(server_.mutex_);
  FeedPage page{server_.epoch_, Sequence{server_.log_.size()}, {}};
  if (epoch != server_.epoch_ || after.value > server_.log_.size()) return page;  // the device must notice
  std::size_t bytes = 0;
  for (std::size_t i = after.value; i < server_.log_.size() && bytes < max_bytes; ++i) {
    page.entries.push_back(server_.log_[i]);
    bytes += server_.log_[i].commit.payload.size();
  }
  if (const auto hostile = tampering(); hostile.feed) hostile.feed(page);
  return decode_feed_page(encode_feed_page(page));
}

Result<DirectoryPage> FakeVolumeRemote::list_directory(InodeId directory, ByteView cursor, std::size_t limit,
                                                       std::size_t manifest_bytes, CallOptions) {
  TRY(line("list"));
  std::lock_guard lock(server_.mutex_);
  auto self = server_.state_.inodes.find(directory);
  if (self == server_.state_.inodes.end() || (self->second.names.empty() && directory != kRootInode))
    return Error(Code::kNotFound, "no such directory");
  DirectoryPage page{server_.epoch_, Sequence{server_.log_.size()}, server_.record_of(self->second, 0), {}, {}};
  NameToken after{};
  if (!cursor.empty()) after = TRY(NameToken::from(cursor));
  auto it = cursor.empty() ? server_.state_.slots.lower_bound({directory, NameToken{}})
                           : server_.state_.slots.upper_bound({directory, after});
  for (; it != server_.state_.slots.end() && it->first.first == directory; ++it) {
    if (page.entries.size() == limit) {
      page.next = to_bytes(page.entries.back().token.view());
      break;
    }
    page.entries.push_back({it->second.sealed_name, it->first.second,
                            server_.record_of(server_.state_.inodes.at(it->second.inode), manifest_bytes)});
  }
  if (const auto hostile = tampering(); hostile.directory) hostile.directory(page);
  return decode_directory_page(encode_directory_page(page));
}

Result<InodePage> FakeVolumeRemote::inodes(const std::vector<InodeId>& ids, CallOptions) {
  TRY(line("inodes"));
  std::lock_guard lock(server_.mutex_);
  InodePage page{server_.epoch_, Sequence{server_.log_.size()}, {}};
  for (InodeId id : ids) {
    auto it = server_.state_.inodes.find(id);
    if (it == server_.state_.inodes.end() || (it->second.names.empty() && id != kRootInode)) continue;
    page.inodes.push_back(server_.record_of(it->second, std::size_t(-1)));
  }
  if (const auto hostile = tampering(); hostile.inodes) hostile.inodes(page);
  return page;
}

Result<InodePage> FakeVolumeRemote::inodes_dead_too(const std::vector<InodeId>& ids, CallOptions) {
  TRY(line());
  std::lock_guard lock(server_.mutex_);
  InodePage page{server_.epoch_, Sequence{server_.log_.size()}, {}};
  for (InodeId id : ids)
    if (auto it = server_.state_.inodes.find(id); it != server_.state_.inodes.end())
      page.inodes.push_back(server_.record_of(it->second, std::size_t(-1)));
  return decode_inode_page(encode_inode_page(page));
}

Result<protocol::VolumeInfo> FakeVolumeRemote::begin_epoch(const protocol::BeginEpoch& statement, CallOptions options) {
  TRY(line());
  {
    std::lock_guard lock(server_.mutex_);
    if (server_.stubborn_) return Error(Code::kInvalidArgument, "the volume's history is as the device says");
    const auto& log = server_.log_;
    const std::uint64_t at = statement.sequence.value;
    const bool known = at <= log.size() && (at == 0 ? Hash256{} : log[at - 1].hash) == statement.hash;
    if (statement.epoch == server_.epoch_ && known)
      return Error(Code::kInvalidArgument, "the volume's history is as the device says");
    if (statement.epoch >= server_.epoch_) server_.epoch_ = Epoch{statement.epoch.value + 1};
  }
  return info(options);
}

Result<WriterId> FakeVolumeRemote::lease_writer(std::optional<WriterId> wanted, CallOptions) {
  TRY(line());
  std::lock_guard lock(server_.mutex_);
  return wanted ? *wanted : WriterId{server_.next_writer_++};
}

Result<std::vector<protocol::BlockStatus>> FakeVolumeRemote::missing_blocks(const std::vector<BlockId>& ids,
                                                                            CallOptions) {
  TRY(line());
  ++missing_calls;
  std::lock_guard lock(server_.mutex_);
  std::vector<protocol::BlockStatus> states;
  for (const BlockId& id : ids)
    states.push_back({id, server_.blocks_.contains(id) ? protocol::BlockState::kStored : protocol::BlockState::kMissing, {}});
  return states;
}

Result<std::vector<protocol::BlockStatus>> FakeVolumeRemote::upload_pack(ByteView pack, CallOptions) {
  TRY(line("pack"));
  ++packs;
  pack_bytes += pack.size();
  Bytes arrived = to_bytes(pack);
  if (take_one(damage_uploads)) arrived.back() ^= 0x40;  // in the payload of the last segment
  const auto parsed = TRY(block::parse_pack(arrived));
  std::lock_guard lock(server_.mutex_);
  std::vector<BlockId> order;
  std::map<BlockId, std::uint32_t> sizes;
  for (const block::Segment& segment : parsed.segments) {
    if (!sizes.contains(segment.block)) order.push_back(segment.block);
    sizes[segment.block] = segment.block_bytes;
    if (segment.intact) server_.partial_[segment.block][static_cast<std::uint16_t>(segment.index)] = to_bytes(segment.bytes);
  }
  std::vector<protocol::BlockStatus> states;
  for (const BlockId& id : order) {
    protocol::BlockStatus state{id, protocol::BlockState::kStored, {}};
    auto& segments = server_.partial_[id];
    for (std::uint32_t i = 0; i < block::segment_count(sizes[id]); ++i)
      if (!segments.contains(static_cast<std::uint16_t>(i))) state.missing_segments.push_back(static_cast<std::uint16_t>(i));
    if (!state.missing_segments.empty()) {
      state.state = protocol::BlockState::kPartial;
    } else {
      Bytes whole;
      for (const auto& [index, bytes] : segments) append(whole, bytes);
      if (!block::block_id_matches(id, whole)) return Error(Code::kUnprocessable, "a block is not what its id says");
      server_.blocks_[id] = std::move(whole);
      server_.partial_.erase(id);
    }
    states.push_back(std::move(state));
  }
  return states;
}

Result<Bytes> FakeVolumeRemote::fetch_pack(const std::vector<BlockId>& ids, CallOptions) {
  TRY(line("fetch"));
  ++fetches;
  const auto hostile = tampering();
  std::lock_guard lock(server_.mutex_);
  block::PackWriter pack;
  for (const BlockId& id : ids) {
    auto it = server_.blocks_.find(id);
    if (it == server_.blocks_.end()) continue;
    if (pack.segments() > 0 && pack.size() + it->second.size() > (8u << 20)) break;
    pack.add_block(id, hostile.block ? hostile.block(id, server_.blocks_) : it->second);
    ++fetched_blocks;
  }
  Bytes bytes = pack.take();
  if (bytes.size() > 100 && take_one(damage_downloads)) bytes.back() ^= 0x10;
  return bytes;
}

namespace {
class FakeSubscription final : public VolumeRemote::Subscription {
 public:
  explicit FakeSubscription(std::function<void()> end) : end_(std::move(end)) {}
  ~FakeSubscription() override { end_(); }

 private:
  std::function<void()> end_;
};
}  // namespace

std::unique_ptr<VolumeRemote::Subscription> FakeVolumeRemote::subscribe(std::function<void(Sequence)> on_head,
                                                                        std::function<void(const Status&)> on_state) {
  int id;
  {
    std::lock_guard lock(server_.listeners_mutex_);
    id = server_.next_listener_++;
    server_.listeners_[id] = [this, on_head](Sequence head) {
      if (!offline_) on_head(head);
    };
  }
  {
    std::lock_guard lock(state_mutex_);
    on_state_ = on_state;
  }
  if (!offline_) on_state(Status());
  return std::make_unique<FakeSubscription>([this, id] {
    std::lock_guard lock(server_.listeners_mutex_);
    server_.listeners_.erase(id);
    std::lock_guard state(state_mutex_);
    on_state_ = nullptr;
  });
}

}  // namespace skymoor::client
