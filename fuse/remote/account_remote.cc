#include "fuse/remote/account_remote.h"

#include "shared/protocol/failure.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kMaxReplyBytes = 4u << 20;
}

struct AccountRemote::Ask {
  const char* method;
  std::string path;
  std::string body = {};
  bool with_session = true;
};

Result<HttpResponse> AccountRemote::send(const Ask& ask, CallOptions options) {
  HttpRequest request;
  request.method = ask.method;
  request.path = ask.path;
  if (!ask.body.empty()) request.headers.emplace_back("Content-Type: application/json");
  request.body = as_bytes(ask.body);
  request.max_response_bytes = kMaxReplyBytes;
  request.timeout = options.timeout;
  request.stop = options.stop;
  if (ask.with_session && !session_) return Error(Code::kUnauthenticated, "not logged in: run 'skymoor login'");
  HttpResponse answer = TRY(ask.with_session ? session_->perform(request) : http_.perform(request));
  if (answer.status < 200 || answer.status > 299) return protocol::decode_failure(answer.status, answer.body);
  return answer;
}

template <typename Reply>
Result<Reply> AccountRemote::call(const Ask& ask, CallOptions options) {
  const HttpResponse answer = TRY(send(ask, options));
  return protocol::decode<Reply>(answer.body);
}

Result<protocol::LoginParameters> AccountRemote::parameters(const protocol::ParametersRequest& message,
                                                            CallOptions options) {
  return call<protocol::LoginParameters>({"POST", "/api/auth/parameters", encode(message), false}, options);
}
Result<protocol::RegisterChallenge> AccountRemote::register_start(const protocol::RegisterStart& message,
                                                                  CallOptions options) {
  return call<protocol::RegisterChallenge>({"POST", "/api/auth/register/start", encode(message), false}, options);
}
Result<protocol::Session> AccountRemote::register_finish(const protocol::RegisterFinish& message, CallOptions options) {
  return call<protocol::Session>({"POST", "/api/auth/register/finish", encode(message), false}, options);
}
Result<protocol::LoginChallenge> AccountRemote::login_start(const protocol::LoginStart& message, CallOptions options) {
  return call<protocol::LoginChallenge>({"POST", "/api/auth/login/start", encode(message), false}, options);
}
Result<protocol::Session> AccountRemote::login_finish(const protocol::LoginFinish& message, CallOptions options) {
  return call<protocol::Session>({"POST", "/api/auth/login/finish", encode(message), false}, options);
}

Status AccountRemote::logout(CallOptions options) {
  TRY(send({"POST", "/api/auth/logout"}, options));
  return {};
}
Result<protocol::KeyBundle> AccountRemote::key_bundle(CallOptions options) {
  return call<protocol::KeyBundle>({"GET", "/api/keys/bundle"}, options);
}
Result<std::vector<protocol::DeviceInfo>> AccountRemote::devices(CallOptions options) {
  return call<std::vector<protocol::DeviceInfo>>({"GET", "/api/auth/devices"}, options);
}
Status AccountRemote::revoke_device(const DeviceId& device, CallOptions options) {
  TRY(send({"DELETE", "/api/auth/devices/" + device.hex()}, options));
  return {};
}
Result<std::vector<protocol::VolumeInfo>> AccountRemote::volumes(CallOptions options) {
  return call<std::vector<protocol::VolumeInfo>>({"GET", "/api/volumes"}, options);
}
Result<protocol::VolumeInfo> AccountRemote::volume(const VolumeId& volume, CallOptions options) {
  return call<protocol::VolumeInfo>({"GET", "/api/volumes/" + volume.hex()}, options);
}
Result<protocol::VolumeInfo> AccountRemote::create_volume(const protocol::CreateVolume& message, CallOptions options) {
  return call<protocol::VolumeInfo>({"POST", "/api/volumes", encode(message)}, options);
}
Result<protocol::WriterLease> AccountRemote::lease_writer(const VolumeId& volume, CallOptions options) {
  return call<protocol::WriterLease>({"POST", "/api/volumes/" + volume.hex() + "/writers"}, options);
}

Result<AccountRemote::Health> AccountRemote::health(CallOptions options) {
  const auto start = std::chrono::steady_clock::now();
  const HttpResponse answer = TRY(send({"GET", "/healthz", {}, false}, options));
  const auto took = std::chrono::steady_clock::now() - start;
  return Health{std::chrono::duration_cast<std::chrono::milliseconds>(took), answer.date};
}

}  // namespace skymoor::client
