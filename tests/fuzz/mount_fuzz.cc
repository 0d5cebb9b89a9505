// What a mount reads beside its log: requests on its control socket (and their answers), access lists that programs or
// other devices have set, the table of open files' numbers.
#include "fuse/app/mount/mount_control.h"
#include "fuse/filesystem/attributes/posix_acl.h"
#include "fuse/filesystem/stable_nodes.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fuse_app/fake_engine.h"

namespace skymoor::client {

// Not the room: what is asked of it here is to be asked at all.
Status PinKeeper::pin(InodeId) { return {}; }
Status PinKeeper::unpin(InodeId) { return Error(Code::kNotFound, "not pinned"); }
PinKeeper::View PinKeeper::view(bool count) { return {{{InodeId{5}, "a/b", count, 0, 0, 0, 0}}, true, "none"}; }

}  // namespace skymoor::client

namespace skymoor::fuzz {
namespace {

using namespace client;

/// Lives nowhere: none of the functions above looks into it.
PinKeeper& no_pins() {
  alignas(PinKeeper) static std::uint8_t place[sizeof(PinKeeper)];
  return *reinterpret_cast<PinKeeper*>(place);
}

/// However a request is spelt, one line answers it, which the client can read.
void try_request(ByteView line) {
  FakeEngine engine;
  SystemClock clock;
  MountControl control({.facts = {},
                        .engine = engine,
                        .clock = clock,
                        .cache_usage = [] { return BackingStore::Usage{}; },
                        .flush = [] { return Result<Lsn>(Lsn{1}); },
                        .passthrough = [] { return PassthroughUse{}; },
                        .stop = [] {},
                        .hand_over = [](const std::string&) { return Status(); },
                        .pins = &no_pins()});
  std::vector<std::string> answers;
  control.handle(std::string(as_text(line)), [&](const std::string& answer) { return answers.push_back(answer), true; }, {});
  check(answers.size() == 1, "one answer");
  check(answers[0].find('\n') == std::string::npos, "of one line");
  const auto read = read_control_answer(answers[0]);
  check(read.ok() || read.error().code() != Code::kInternal, "that the client understands");
}

void try_answer(ByteView line) {
  const auto status = read_control_answer(std::string(as_text(line)));
  if (status.ok()) (void)describe_mount_status(*status);
}

void try_acl(ByteView bytes) {
  auto acl = decode_acl(bytes);
  if (!acl.ok()) return;
  check_round_trip(*acl, encode_acl, [](const Bytes& b) { return decode_acl(b); }, "access list");
  for (std::uint32_t mode : {0u, 0640u, 07777u}) {
    const auto inherited = inherit_acl(bytes, mode, true);
    check(inherited.ok(), "a list that is well formed is inherited");
    if (inherited->access) check(decode_acl(*inherited->access).ok(), "as one that is well formed");
    if (acl->empty()) continue;
    Acl changed = *acl;
    apply_mode(changed, mode);
    check((mode_with_acl(changed, 0) & 0777) == (mode & 0777), "list and mode agree after a chmod");
  }
}

/// With the right checksum behind it.
void try_nodes(ByteView bytes) {
  ByteWriter out;
  out.raw(bytes);
  out.u32(crc32c(bytes));
  InputDisk disk(out.view());
  const auto table = StableNodes::load(disk, "/nodes", {{InodeId{5}, InodeId{6}}});
  if (!table.ok()) return;
  for (const auto& [node, inode] : table->inode_of) check(StableNodes::inode_of(*table, node) == inode, "a number is found");
}

Bytes acl_bytes() {
  return encode_acl({{0x01, 7, 0xffffffff}, {0x02, 6, 1001}, {0x04, 5, 0xffffffff}, {0x10, 7, 0xffffffff}, {0x20, 4, 0xffffffff}});
}

}  // namespace

void try_input(ByteView input) {
  Choices choices(input);
  switch (choices.below(4)) {
    case 0: return try_request(choices.rest());
    case 1: return try_answer(choices.rest());
    case 2: return try_acl(choices.rest());
    default: return try_nodes(choices.rest());
  }
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> out;
  const auto add = [&](std::uint8_t family, std::string_view text) { out.push_back(with_choice(family, as_bytes(text))); };
  for (const std::string& request : {status_request(), sync_request({}), sync_request(std::chrono::milliseconds(5000)),
                                     stop_request(), upgrade_request("/usr/bin/skymoor"), pin_request(InodeId{7}, true),
                                     pin_request(InodeId{7}, false), pins_request(true)})
    add(0, request);
  MountFacts facts;
  facts.volume = "home";
  facts.supervisor = 4;
  facts.last_crash = Timestamp{};
  SyncStatus sync;
  sync.transfers = {{.upload = true, .inode = InodeId{9}, .path = "a/b", .bytes_done = 1, .bytes_total = 3}};
  add(1, R"({"ok":true,"status":)" + encode_mount_status(facts, sync, {}, {.active = true, .last_refusal = "EIO"}, Timestamp{}) + "}");
  add(1, R"({"ok":false,"code":"busy","message":"too many requests at this mount"})");
  out.push_back(with_choice(2, acl_bytes()));
  ByteWriter nodes;
  nodes.u8(1);
  nodes.varint(1);
  nodes.u64(5);
  nodes.u64(6);
  nodes.varint(1);
  nodes.u64(5);
  nodes.u64(6);
  out.push_back(with_choice(3, nodes.view()));
  return out;
}

}  // namespace skymoor::fuzz
