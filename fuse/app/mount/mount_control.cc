#include "fuse/app/mount/mount_control.h"

#include "fuse/channel/handover.h"

#include "fuse/remote/backoff.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
using protocol::Json;

constexpr auto kSlice = 1s;
/// How long a sync without a time limit waits for a server that is away: a mount that has just started is not connected
/// at once.
constexpr auto kPatience = 10s;
constexpr std::chrono::milliseconds kForever{1000ll * 3600 * 24 * 365};

std::string ok_answer() { return R"({"ok":true})"; }

std::string failed_answer(const Error& error) {
  return protocol::dump({{"ok", false}, {"code", wire_name_of(error.code())}, {"message", error.to_string()}});
}

struct Request {
  std::string op;
  std::optional<std::chrono::milliseconds> timeout;
  std::string program;
  std::uint64_t format = 0;
};

Result<Request> parse_request(const std::string& line) {
  const auto json = TRY(protocol::parse_object(as_bytes(line)));
  protocol::FieldReader in(json, "");
  Request request{in.text("op", 32), {}, {}, 0};
  if (json.contains("timeout_ms"))
    request.timeout = std::chrono::milliseconds(in.number("timeout_ms", static_cast<std::uint64_t>(kForever.count())));
  if (request.op == "upgrade") {
    request.program = in.text("program", 4096);
    request.format = in.number("format", UINT32_MAX);
  }
  TRY(in.finish());
  return request;
}

}  // namespace

std::string MountControl::status() {
  return encode_mount_status(parts_.facts, parts_.engine.status(), parts_.cache_usage(), parts_.passthrough(),
                             parts_.clock.now());
}

void MountControl::handle(const std::string& line, const Send& send, std::stop_token stop) {
  const auto request = parse_request(line);
  if (!request.ok()) {
    send(failed_answer(request.error()));
  } else if (request->op == "status") {
    send(R"({"ok":true,"status":)" + status() + "}");
  } else if (request->op == "sync") {
    const Status done = sync(request->timeout, send, stop);
    send(done.ok() ? ok_answer() : failed_answer(done.error()));
  } else if (request->op == "connect") {
    parts_.engine.connect_now();
    send(ok_answer());
  } else if (request->op == "stop") {
    send(ok_answer());
    parts_.stop();
  } else if (request->op == "upgrade") {
    const Status done = request->format == Handover::kFormat
                            ? parts_.hand_over(request->program)
                            : Status(Error(Code::kNotSupported, "the new program cannot take over from this version: unmount "
                                                                "and mount again"));
    send(done.ok() ? ok_answer() : failed_answer(done.error()));
  } else if (parts_.pins && request->op.find("pin") != std::string::npos) {
    const auto answer = answer_pin_request(*parts_.pins, line);
    send(answer.ok() ? *answer : failed_answer(answer.error()));
  } else {
    send(failed_answer(Error(Code::kNotSupported, "unknown request '" + request->op + "'")));
  }
}

Status MountControl::sync(std::optional<std::chrono::milliseconds> timeout, const Send& send,
                          const std::stop_token& stop) {
  const Lsn lsn = TRY(parts_.flush());
  const std::uint64_t since = parts_.engine.rounds();
  const Instant start = parts_.clock.monotonic();
  const Instant deadline = start + timeout.value_or(kForever);
  const Instant patience = timeout ? deadline : start + kPatience;
  for (;;) {
    const Instant slice_end = std::min<Instant>(deadline, parts_.clock.monotonic() + kSlice);
    const Status done = parts_.engine.sync_to(lsn, slice_end, stop, since);
    if (done.ok()) return done;
    const Code code = done.error().code();
    const Instant now = parts_.clock.monotonic();
    const SyncStatus state = parts_.engine.status();
    // What failed before may be over, and something on its way.
    const bool unreachable = code == Code::kOffline || code == Code::kUnavailable;
    if (code != Code::kTimedOut && !unreachable) return done;
    const bool away = !state.online;
    if (now >= (away ? patience : deadline))
      return away ? Error(Code::kOffline, state.reason.empty() ? done.error().message() : state.reason) : done.error();
    if (!send(R"({"progress":)" + status() + "}")) return Error(Code::kCancelled, "nobody waits any more");
    if (now < slice_end) sleep_unless_stopped(std::min(200ms, std::chrono::ceil<std::chrono::milliseconds>(slice_end - now)), stop);
    if (stop.stop_requested()) return Error(Code::kCancelled, "the mount is ending");
  }
}

std::string status_request() { return R"({"op":"status"})"; }
std::string connect_request() { return R"({"op":"connect"})"; }
std::string stop_request() { return R"({"op":"stop"})"; }
std::string upgrade_request(const std::string& program) {
  return protocol::dump({{"op", "upgrade"}, {"program", program}, {"format", Handover::kFormat}});
}
std::string sync_request(std::optional<std::chrono::milliseconds> timeout) {
  Json json = {{"op", "sync"}};
  if (timeout) json["timeout_ms"] = timeout->count();
  return protocol::dump(json);
}

Status sync_mount(const std::string& directory, std::optional<std::chrono::milliseconds> patience) {
  constexpr std::chrono::milliseconds kMargin{5000};
  const std::string answer = TRY(control_call(directory, sync_request(patience), patience.value_or(kForever) + kMargin));
  TRY(read_control_answer(answer));
  return {};
}

Result<std::string> read_control_answer(const std::string& line) {
  const auto unclear = [] { return Error(Code::kInternal, "the mount answered in a form that this version does not know"); };
  const auto json = protocol::parse_object(as_bytes(line));
  if (!json.ok()) return unclear();
  protocol::FieldReader in(*json, "");
  if (in.flag("ok", false)) return json->contains("status") ? protocol::dump((*json)["status"]) : std::string();
  const std::string code = in.text("code", 64), message = in.text("message", 65536);
  if (!in.finish().ok()) return unclear();
  return Error(code_from_wire_name(code, Code::kInternal), message);
}

}  // namespace skymoor::client
