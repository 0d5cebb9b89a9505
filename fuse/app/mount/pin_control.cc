// Pins on the control socket.
#include "fuse/app/mount/mount_control.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

using protocol::Json;

Json to_json(const PinKeeper::View& view) {
  Json pins = Json::array();
  for (const PinKeeper::Pin& pin : view.pins)
    pins.push_back({{"inode", pin.inode.value},
                    {"path", pin.path},
                    {"files", pin.files},
                    {"bytes", pin.bytes},
                    {"missing_files", pin.missing_files},
                    {"missing_bytes", pin.missing_bytes},
                    {"unlisted", pin.unlisted}});
  return {{"settled", view.settled}, {"trouble", view.trouble}, {"pins", std::move(pins)}};
}

}  // namespace

std::string pin_request(InodeId inode, bool pinned) {
  return protocol::dump({{"op", pinned ? "pin" : "unpin"}, {"inode", inode.value}});
}

std::string pins_request(bool count) { return protocol::dump({{"op", "pins"}, {"count", count}}); }

Result<std::string> answer_pin_request(PinKeeper& pins, const std::string& line) {
  const auto json = TRY(protocol::parse_object(as_bytes(line)));
  protocol::FieldReader in(json, "");
  const std::string op = in.text("op", 32);
  if (op == "pins") {
    const bool count = in.flag("count", false);
    TRY(in.finish());
    return protocol::dump({{"ok", true}, {"status", to_json(pins.view(count))}});
  }
  const InodeId inode{in.number("inode", UINT64_MAX)};
  TRY(in.finish());
  if (op == "pin") TRY(pins.pin(inode));
  else if (op == "unpin") TRY(pins.unpin(inode));
  else return Error(Code::kNotSupported, "unknown request '" + op + "'");
  return std::string(R"({"ok":true})");
}

}  // namespace skymoor::client
