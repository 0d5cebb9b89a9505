#include "tests/model/service_remote.h"

namespace skymoor::client::model {
namespace {

using server::Caller;
using server::Services;

Bytes bytes_of(const std::string& json) { return to_bytes(as_bytes(json)); }

/// What the server acknowledged when it sent these, whatever becomes of them on the way.
template <typename Answer>
Status note_json(SimulatedServer& server, ByteView answer) {
  server.said(TRY(protocol::decode<Answer>(answer)));
  return {};
}
Status note_page(SimulatedServer& server, ByteView answer) {
  server.said(TRY(decode_feed_page(answer)));
  return {};
}
Status note_states(SimulatedServer& server, ByteView answer) {
  server.said(TRY(protocol::decode_block_states(answer)));
  return {};
}

}  // namespace

Result<Bytes> ServiceRemote::ask(std::string_view call, Bytes body, Handle handle, Note note) {
  if (offline_) return Error(Code::kOffline, "the line is cut");
  auto deliver = [server = &server_, caller = caller_, handle = std::move(handle),
                  note = std::move(note)](ByteView arrived) -> Result<Bytes> {
    Bytes answer = TRY(server->serve([&](Services& services) { return handle(services, caller, arrived); }));
    if (note) TRY(note(*server, answer));
    return answer;
  };
  return carry_(Message{call, std::move(body), std::move(deliver)});
}

Result<protocol::VolumeInfo> ServiceRemote::info(CallOptions) {
  auto handle = [volume = volume_](Services& s, const Caller& c, ByteView) -> Result<Bytes> {
    return bytes_of(protocol::encode(TRY(s.volumes().info(c, volume))));
  };
  return protocol::decode<protocol::VolumeInfo>(TRY(ask("info", {}, handle)));
}

Result<std::vector<protocol::DevicePublic>> ServiceRemote::devices(CallOptions) {
  auto handle = [volume = volume_](Services& s, const Caller& c, ByteView) -> Result<Bytes> {
    return bytes_of(protocol::encode(TRY(s.volumes().devices(c, volume))));
  };
  return protocol::decode<std::vector<protocol::DevicePublic>>(TRY(ask("devices", {}, handle)));
}

Result<protocol::CommitReply> ServiceRemote::commit(const SignedCommit& commit, CallOptions) {
  auto handle = [volume = volume_](Services& s, const Caller& c, ByteView body) -> Result<Bytes> {
    const SignedCommit arrived = TRY(decode_signed_commit(body));
    return bytes_of(protocol::encode(TRY(s.names().commit(c, volume, arrived))));
  };
  return protocol::decode<protocol::CommitReply>(
      TRY(ask("commit", encode_signed_commit(commit), handle, note_json<protocol::CommitReply>)));
}

Result<FeedPage> ServiceRemote::changes(Epoch epoch, Sequence after, std::size_t max_bytes, CallOptions) {
  auto handle = [=, volume = volume_](Services& s, const Caller& c, ByteView) -> Result<Bytes> {
    return encode_feed_page(TRY(s.changes().page(c, volume, after, epoch, max_bytes)));
  };
  return decode_feed_page(TRY(ask("changes", {}, handle, note_page)));
}

Result<DirectoryPage> ServiceRemote::list_directory(InodeId directory, ByteView cursor, std::size_t limit,
                                                    std::size_t manifest_bytes, CallOptions) {
  server::DirectoryRequest request{volume_, directory, to_bytes(cursor), limit, manifest_bytes};
  auto handle = [request](Services& s, const Caller& c, ByteView) -> Result<Bytes> {
    return encode_directory_page(TRY(s.names().directory(c, request)));
  };
  return decode_directory_page(TRY(ask("list", {}, handle)));
}

Result<InodePage> ServiceRemote::inodes(const std::vector<InodeId>& ids, bool dead) {
  auto handle = [=, volume = volume_](Services& s, const Caller& c, ByteView) -> Result<Bytes> {
    return encode_inode_page(TRY(s.names().inodes(c, volume, ids, {.dead = dead})));
  };
  return decode_inode_page(TRY(ask("inodes", {}, handle)));
}

Result<protocol::VolumeInfo> ServiceRemote::begin_epoch(const protocol::BeginEpoch& statement, CallOptions) {
  auto handle = [volume = volume_](Services& s, const Caller& c, ByteView body) -> Result<Bytes> {
    const auto said = TRY(protocol::decode<protocol::BeginEpoch>(body));
    return bytes_of(protocol::encode(TRY(s.volumes().begin_epoch(c, volume, said))));
  };
  return protocol::decode<protocol::VolumeInfo>(TRY(ask("epoch", bytes_of(protocol::encode(statement)), handle)));
}

Result<WriterId> ServiceRemote::lease_writer(std::optional<WriterId> wanted, CallOptions) {
  auto handle = [volume = volume_](Services& s, const Caller& c, ByteView body) -> Result<Bytes> {
    if (body.empty()) return bytes_of(protocol::encode(TRY(s.volumes().lease_writer(c, volume))));
    const auto lease = TRY(protocol::decode<protocol::WriterLease>(body));
    return bytes_of(protocol::encode(TRY(s.volumes().claim_writer(c, volume, lease.writer))));
  };
  Bytes body = wanted ? bytes_of(protocol::encode(protocol::WriterLease{*wanted})) : Bytes();
  const Bytes answer = TRY(ask("writer", std::move(body), handle));
  return TRY(protocol::decode<protocol::WriterLease>(answer)).writer;
}

Result<std::vector<protocol::BlockStatus>> ServiceRemote::missing_blocks(const std::vector<BlockId>& ids, CallOptions) {
  auto handle = [volume = volume_](Services& s, const Caller& c, ByteView body) -> Result<Bytes> {
    const auto asked = TRY(protocol::decode_block_ids(body, server::kMaxMissingIds));
    return protocol::encode_block_states(TRY(s.blocks().missing(c, volume, asked)));
  };
  return protocol::decode_block_states(TRY(ask("missing", protocol::encode_block_ids(ids), handle, note_states)));
}

Result<std::vector<protocol::BlockStatus>> ServiceRemote::upload_pack(ByteView pack, CallOptions) {
  auto handle = [volume = volume_](Services& s, const Caller& c, ByteView body) -> Result<Bytes> {
    return protocol::encode_block_states(TRY(s.blocks().upload_pack(c, volume, body)));
  };
  return protocol::decode_block_states(TRY(ask("pack", to_bytes(pack), handle, note_states)));
}

Result<Bytes> ServiceRemote::fetch_pack(const std::vector<BlockId>& ids, CallOptions) {
  auto handle = [volume = volume_](Services& s, const Caller& c, ByteView body) -> Result<Bytes> {
    const auto asked = TRY(protocol::decode_block_ids(body, server::kMaxFetchIds));
    return to_bytes(TRY(s.blocks().fetch(c, volume, asked)).view());
  };
  return ask("fetch", protocol::encode_block_ids(ids), handle);
}

}  // namespace skymoor::client::model
