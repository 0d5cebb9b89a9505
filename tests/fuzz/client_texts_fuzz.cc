// What the client reads as text: event streams, server addresses, settings, state files.
#include <fcntl.h>
#include <sys/mman.h>

#include "backend-server/app/server_settings.h"
#include "fuse/app/state/account_file.h"
#include "fuse/app/state/session_file.h"
#include "fuse/app/state/volume_file.h"
#include "fuse/remote/event_parser.h"
#include "fuse/remote/http_client.h"
#include "fuse/sync/sync_state.h"
#include "tests/fuzz/fuzz.h"

namespace skymoor::fuzz {
namespace {

using namespace client;

std::string events_of(ByteView stream, std::size_t piece) {
  std::string seen;
  EventParser parser([&](std::string_view name, std::string_view data) {
    seen += "[" + std::string(name) + "|" + std::string(data) + "]";
  });
  while (!stream.empty()) {
    const std::size_t n = std::min(piece, stream.size());
    if (!parser.feed(stream.first(n)).ok()) return "!";
    stream = stream.subspan(n);
  }
  return seen;
}

void try_events(Choices choices) {
  const std::size_t piece = 1 + choices.below(40);
  check(events_of(choices.rest(), piece) == events_of(choices.rest(), choices.rest().size() + 1),
        "pieces do not change events");
}

void try_url(ByteView text) {
  auto url = normalize_server_url(as_text(text));
  if (!url.ok()) return;
  auto again = normalize_server_url(*url);
  check(again.ok() && *again == *url, "an address that is as it should be stays so");
}

/// toml++ reads files: the input is one in memory.
void try_settings(ByteView text) {
  (void)parse_bytes(as_text(text));
  (void)parse_duration_ms(as_text(text));
  // toml++ 3.3 marks as unreachable what some white space of Unicode reaches; a settings file is its owner's own.
  for (std::uint8_t byte : text)
    if (byte >= 0x80) return;
  static const int fd = ::memfd_create("settings", MFD_CLOEXEC);
  check(::ftruncate(fd, 0) == 0 && ::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()),
        "a file in memory");
  Settings settings(server::server_settings_table());
  if (!settings.load_toml("/proc/self/fd/" + std::to_string(fd)).ok()) return;
  Settings again(server::server_settings_table());
  for (const Setting& setting : settings.table())
    if (!settings.is_default(setting.name) && setting.type == SettingType::kText)
      check(again.set(setting.name, settings.text(setting.name)).ok(), "a text that was taken is taken again");
  (void)server::server_config_of(settings);
}

void try_state_files(ByteView bytes) {
  InputDisk disk(bytes);
  (void)load_account(disk, "/account.json");
  (void)FileSessionStore(disk, "/session.json", "/lock").load();
  (void)load_volume(disk, StatePaths{"/state", "/cache"}, VolumeId{{1}});
}

void try_aliases(ByteView bytes) {
  auto aliases = decode_aliases(bytes);
  if (aliases.ok())
    check_round_trip(*aliases, encode_aliases, [](const Bytes& b) { return decode_aliases(b); }, "aliases");
}

/// With the right checksum behind it.
void try_sync_state(ByteView bytes) {
  ByteWriter out;
  out.raw(bytes);
  out.u32(crc32c(bytes));
  InputDisk disk(out.view());
  (void)SyncStateFile(&disk, "/state").load();
}

}  // namespace

void try_input(ByteView input) {
  Choices choices(input);
  switch (choices.below(6)) {
    case 0: return try_events(choices);
    case 1: return try_url(choices.rest());
    case 2: return try_settings(choices.rest());
    case 3: return try_state_files(choices.rest());
    case 4: return try_aliases(choices.rest());
    default: return try_sync_state(choices.rest());
  }
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> out;
  const auto add = [&](std::uint8_t family, std::string_view text) { out.push_back(with_choice(family, as_bytes(text))); };
  add(0, "\x05" "event: change\ndata: {\"volume\":\"00\",\"sequence\":3}\n\n: comment\r\n\r\nid: 4\rdata: a\rdata: b\r\r");
  for (const char* url : {"host", "https://Host:8443/", "http://127.0.0.1:80", "https://[::1]:7443", "a.b.c:1/x?y"})
    add(1, url);
  add(2, "listen = \"[::]:7443\"\nallow-signup = false\nscrypt-log-n = 12\ndefault-quota = \"1GiB\"\n");
  add(2, "10GiB");
  const std::string id(32, '0'), key = base64url_encode(Bytes(32, 1));
  add(3, R"({"format":"skymoor-account","version":1,"server":"https://a","pin":"","fingerprint":"","user_id":")" + id +
             R"(","user":"ada","device_id":")" + id + R"(","device_name":"a","signing_seed":")" + key +
             R"(","sealing_seed":")" + key + R"(","user_key_generation":1,"user_key_seed":")" + key + "\"}");
  add(3, R"({"format":"skymoor-session","version":1,"refresh_token":"a","access_token":"b","access_expires":5})");
  Aliases aliases;
  aliases.inodes[InodeId{5}] = InodeId{6};
  aliases.copies[InodeId{7}] = {InodeId{8}, {WriterId{1}, 2}};
  aliases.shown.insert(InodeId{8});
  aliases.equals[{InodeId{9}, Lsn{3}}] = {Lsn{4}, {WriterId{1}, 2}};
  out.push_back(with_choice(4, encode_aliases(aliases)));
  ByteWriter state;
  state.u8(1);
  state.u64(7);
  state.varint(1);
  state.u64(3);
  state.u64(4);
  state.bytes(encode_aliases(aliases));
  state.bytes(encode_aliases({}));
  out.push_back(with_choice(5, state.view()));
  return out;
}

}  // namespace skymoor::fuzz
