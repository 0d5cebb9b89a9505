// /api/auth/*: accounts, login, devices, tokens.
#include "backend-server/api/api.h"
#include "backend-server/api/arguments.h"

namespace skymoor::server {
namespace {

/// A route that takes a message from somebody who has no token yet.
template <typename Message, typename Handle>
Route open_post(std::string pattern, Handle handle) {
  Route route;
  route.method = "POST";
  route.pattern = std::move(pattern);
  route.max_body_bytes = 16 * 1024;
  route.handler = [handle = std::move(handle)](Request& request) -> Result<Response> {
    Message message = TRY(protocol::decode<Message>(request.body.view()));
    auto answer = TRY(handle(message, request.remote_address));
    return Response::json(protocol::encode(answer));
  };
  return route;
}

}  // namespace

void Api::add_auth(Router& router) {
  AccountService& accounts = services_.accounts();
  SessionService& sessions = services_.sessions();
  router.add(open_post<protocol::RegisterStart>(
      "/api/auth/register/start",
      [&](const auto& m, const std::string& peer) { return accounts.register_start(m, peer); }));
  router.add(open_post<protocol::RegisterFinish>(
      "/api/auth/register/finish",
      [&](const auto& m, const std::string& peer) { return accounts.register_finish(m, peer); }));
  router.add(open_post<protocol::ParametersRequest>(
      "/api/auth/parameters", [&](const auto& m, const std::string&) -> Result<protocol::LoginParameters> {
        TRY(protocol::normalize_user_name(m.user));
        return accounts.login_parameters();
      }));
  router.add(open_post<protocol::LoginStart>(
      "/api/auth/login/start", [&](const auto& m, const std::string& peer) { return accounts.login_start(m, peer); }));
  router.add(open_post<protocol::LoginFinish>("/api/auth/login/finish", [&](const auto& m, const std::string& peer) {
    return accounts.login_finish(m, peer);
  }));
  router.add(open_post<protocol::RefreshRequest>(
      "/api/auth/refresh",
      [&](const auto& m, const std::string& peer) { return sessions.refresh(m.refresh_token, peer); }));

  router.add({"POST", "/api/auth/logout", with_caller([&](const Caller& caller, Request&) -> Result<Response> {
                TRY(sessions.logout(caller));
                return Response::json("{}");
              })});
  router.add({.method = "GET",
              .pattern = "/api/auth/devices",
              .handler = with_caller([&](const Caller& caller, Request&) -> Result<Response> {
                return Response::json(protocol::encode(TRY(accounts.devices(caller))));
              }),
              .max_body_bytes = 0});
  router.add({.method = "DELETE",
              .pattern = "/api/auth/devices/{device}",
              .handler = with_caller([&](const Caller& caller, Request& request) -> Result<Response> {
                DeviceId device = TRY(path_id<DeviceId>(request, "device"));
                TRY(accounts.revoke_device(caller, device));
                return Response::json("{}");
              }),
              .max_body_bytes = 0});
}

}  // namespace skymoor::server
