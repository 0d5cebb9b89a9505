#include "shared/protocol/failure.h"

#include "shared/protocol/json_fields.h"

namespace skymoor::protocol {
namespace {

constexpr std::size_t kMaxMessageBytes = 2048;  // block_missing names up to 16 blocks

bool has_system_errno(const Error& error) {
  for (const Error* e = &error; e; e = e->cause())
    if (e->system_errno() != 0) return true;
  return false;
}

bool is_internal(Code code) {
  switch (code) {
    case Code::kIo:
    case Code::kCorrupt:
    case Code::kInternal:
    case Code::kTooManyOpenFiles:
    case Code::kOutOfMemory:
    case Code::kNotPresent: return true;
    default: return false;
  }
}

/// A message made from an errno names a path of the server: it stays in the server's log.
std::string public_message(const Error& error, std::string_view request_id) {
  if (is_internal(error.code()))
    return "internal error; the server's log tells more under request " + std::string(request_id);
  if (has_system_errno(error)) {
    if (error.code() == Code::kNoSpace) return "the server's disk is full";
    return "the server could not do this; its log tells more under request " + std::string(request_id);
  }
  return error.message().substr(0, kMaxMessageBytes);
}

/// What a peer sends ends on a person's terminal: no control characters.
std::string printable(std::string text) {
  text.resize(std::min(text.size(), kMaxMessageBytes));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

/// The nearest code for a failure of ours whose code this version does not know.
Code code_for_status(int status) {
  switch (status) {
    case 401: return Code::kUnauthenticated;
    case 403: return Code::kForbidden;
    case 404: return Code::kNotFound;
    case 405: return Code::kMethodNotAllowed;
    case 409: return Code::kConflict;
    case 413: return Code::kTooLarge;
    case 422: return Code::kUnprocessable;
    case 429: return Code::kRateLimited;
    default: return status >= 500 ? Code::kUnavailable : Code::kInvalidArgument;
  }
}

/// Codes that describe the client's own side, or what it found out by itself; a server that sends one must not be taken for
/// the client.
Code as_remote(Code code) {
  switch (code) {
    case Code::kNotPresent:
    case Code::kOffline:
    case Code::kCancelled:
    case Code::kInterrupted:
    case Code::kBadCertificate: return Code::kUnavailable;
    case Code::kCorrupt: return Code::kIo;   // something there cannot be read: not that what it says is forged
    default: return code;
  }
}

Error foreign(int status) {
  std::string message = "the answer (HTTP status " + std::to_string(status) + ") is not from a Skymoor server";
  return Error(status >= 500 ? Code::kUnavailable : Code::kIo, message);
}

}  // namespace

std::string encode_failure(const Error& error, std::string_view request_id) {
  return dump({{"code", wire_name_of(error.code())},
               {"message", public_message(error, request_id)},
               {"request_id", request_id}});
}

Error decode_failure(int http_status, ByteView body) {
  auto json = parse_object(body);
  if (!json.ok()) return foreign(http_status);
  FieldReader in(*json, "");
  std::string code = in.text("code", 64, 1);
  std::string message = in.text("message", 4096);
  if (!in.finish().ok()) return foreign(http_status);
  return Error(as_remote(code_from_wire_name(code, code_for_status(http_status))), printable(std::move(message)));
}

}  // namespace skymoor::protocol
