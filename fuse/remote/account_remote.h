// AccountRemote: accounts, keys, devices and volumes at the server.
#pragma once
#include <optional>
#include <vector>

#include "fuse/remote/remote_session.h"
#include "shared/protocol/accounts.h"
#include "shared/protocol/volumes.h"

namespace skymoor::client {

/// One method per route. Thread-safe; every call blocks, bounded by its options, and makes one attempt. Errors common to
/// all: as HttpClient, and what the server answers (PROTOCOL.md). Passwords and keys never come here: only the sealed
/// and blinded values that the handshake sends.
class AccountRemote {
 public:
  /// For what needs no login.
  explicit AccountRemote(HttpClient& http) : http_(http), session_(nullptr) {}
  AccountRemote(HttpClient& http, RemoteSession& session) : http_(http), session_(&session) {}

  Result<protocol::LoginParameters> parameters(const protocol::ParametersRequest&, CallOptions);
  Result<protocol::RegisterChallenge> register_start(const protocol::RegisterStart&, CallOptions);
  Result<protocol::Session> register_finish(const protocol::RegisterFinish&, CallOptions);
  Result<protocol::LoginChallenge> login_start(const protocol::LoginStart&, CallOptions);
  Result<protocol::Session> login_finish(const protocol::LoginFinish&, CallOptions);

  // With a session.
  Status logout(CallOptions);
  Result<protocol::KeyBundle> key_bundle(CallOptions);
  Result<std::vector<protocol::DeviceInfo>> devices(CallOptions);
  Status revoke_device(const DeviceId& device, CallOptions);
  Result<std::vector<protocol::VolumeInfo>> volumes(CallOptions);
  Result<protocol::VolumeInfo> volume(const VolumeId& volume, CallOptions);
  Result<protocol::VolumeInfo> create_volume(const protocol::CreateVolume&, CallOptions);
  Result<protocol::WriterLease> lease_writer(const VolumeId& volume, CallOptions);

  struct Health {
    std::chrono::milliseconds round_trip{};
    std::optional<Timestamp> server_time;
  };
  /// GET /healthz.
  Result<Health> health(CallOptions);

 private:
  struct Ask;
  template <typename Reply>
  Result<Reply> call(const Ask& ask, CallOptions options);
  Result<HttpResponse> send(const Ask& ask, CallOptions options);

  HttpClient& http_;
  RemoteSession* const session_;
};

}  // namespace skymoor::client
