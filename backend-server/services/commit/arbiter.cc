#include "backend-server/services/commit/arbiter.h"

#include "backend-server/services/authorization.h"
#include "backend-server/services/commit/steps.h"
#include "shared/crypto/hash.h"

namespace skymoor::server {
namespace {

// Vacated slots are remembered for this many commits; a device that is further behind must pull before it commits to a
// slot that is free now. Forgetting is done in steps, so that it costs nothing on most commits.
constexpr std::uint64_t kVacatedKept = 100'000;
constexpr std::uint64_t kForgetEvery = 1024;

/// The stored answer, if this op id was applied before.
Result<std::optional<protocol::CommitReply>> find_reply(const CommitContext& context) {
  const auto& incoming = context.incoming;
  auto known = TRY(context.tables.changes.find_operation(context.volume.number, context.commit().op));
  if (!known) return std::optional<protocol::CommitReply>();
  if (known->payload_hash != incoming.payload_hash)
    return unprocessable("the op id was used for another commit");
  return std::optional(protocol::CommitReply{known->sequence, known->hash, context.volume.state.head});
}

Status forget_vacated(const CommitContext& context, VolumeState& state) {
  if (state.head.value % kForgetEvery != 0 || state.head.value <= kVacatedKept) return {};
  state.slot_floor = Sequence{state.head.value - kVacatedKept};
  return context.tables.names.drop_vacated(context.volume.number, state.slot_floor);
}

}  // namespace

Result<protocol::CommitReply> arbitrate(Tables& tables, const IncomingCommit& incoming) {
  auto access = TRY(require_role(tables.volumes, incoming.caller, incoming.commit.volume, protocol::Role::kWriter));
  TRY(require_device(tables.accounts, incoming.caller));
  WorkingTree tree(tables.names, access.volume.number);
  CommitContext context{tables, incoming, access.volume, tree};
  if (auto reply = TRY(find_reply(context))) return *std::move(reply);

  TRY(check_origin(context));
  TRY(check_reads(context));
  TRY(apply_effects(context));
  TRY(check_result(context));
  TRY(check_blocks(context));
  VolumeState state = TRY(write_tree(context));

  state.head = context.next();
  state.head_hash =
      crypto::sha256({access.volume.state.head_hash.view(), incoming.sealed.payload, incoming.sealed.signature});
  TRY(tables.changes.append(access.volume.number, {{state.head, state.head_hash, incoming.sealed},
                                                   incoming.commit.op,
                                                   incoming.caller.device,
                                                   incoming.payload_hash,
                                                   incoming.now}));
  TRY(forget_vacated(context, state));
  TRY(tables.volumes.set_state(access.volume.number, state));
  return protocol::CommitReply{state.head, state.head_hash, state.head};
}

}  // namespace skymoor::server
