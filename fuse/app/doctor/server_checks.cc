#include "fuse/app/doctor/checks.h"
#include "shared/base/settings.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
using State = Finding::State;
constexpr auto kMuchSkew = 25s;   ///< the server forgives 30
constexpr auto kSameTime = 2s;    ///< the server tells whole seconds
const CallOptions kCall{10s, {}};

void add_failure(Findings& out, const std::string& check, const Error& error, const std::string& advice) {
  out.push_back({check, State::kProblem, error.message(), advice});
}

/// False: the rest makes no sense.
bool check_certificate(Findings& out, const Account& account) {
  if (account.server_url.starts_with("http://")) {
    out.push_back({"certificate", State::kWarning, "the server is reached without TLS", "only right on this very machine"});
    return true;
  }
  const auto seen = probe_certificate(account.server_url, kCall.timeout, {});
  if (!seen.ok()) {
    add_failure(out, "server", seen.error(), "check the network, the address and whether the server runs; the mount works offline");
    return false;
  }
  if (!account.trust.pin.empty() && seen->pin != account.trust.pin) {
    out.push_back({"certificate", State::kProblem,
                   "the server shows " + seen->fingerprint + ", accepted was " + account.trust.fingerprint,
                   "ask its owner; if it was changed on purpose: skymoor login --fingerprint " + seen->fingerprint});
    return false;
  }
  if (account.trust.pin.empty() && !seen->trusted_by_system) {
    out.push_back({"certificate", State::kProblem, "no authority this machine trusts vouches for " + seen->fingerprint,
                   "skymoor login --fingerprint " + seen->fingerprint + " if that is what the server's owner says"});
    return false;
  }
  out.push_back({"certificate", State::kOk, seen->fingerprint + (account.trust.pin.empty() ? "" : " (pinned)"), ""});
  return true;
}

void check_clock(Findings& out, const AccountRemote::Health& health, const Clock& clock) {
  if (!health.server_time) return;
  const auto skew = std::chrono::duration_cast<std::chrono::milliseconds>(clock.now() - *health.server_time);
  if (std::chrono::abs(skew) < kSameTime)
    return out.push_back({"clock", State::kOk, "this machine's clock agrees with the server's", ""});
  const bool much = skew > kMuchSkew || skew < -kMuchSkew;
  out.push_back({"clock", much ? State::kWarning : State::kOk,
                 "this machine's clock is " + format_duration_ms(std::abs(skew.count())) +
                     (skew.count() < 0 ? " behind" : " ahead of") + " the server's",
                 much ? "set the clock (timedatectl set-ntp true): logins fail with a wrong one" : ""});
}

}  // namespace

void check_server(Findings& out, Disk& disk, const Clock& clock, const StatePaths& paths) {
  const auto account = load_account(disk, paths.account_file());
  if (!account.ok()) return add_failure(out, "account", account.error(), "");
  out.push_back({"account", State::kOk, account->user_name + " at " + account->server_url, ""});
  if (!check_certificate(out, *account)) return;
  auto server = ServerConnection::open(disk, clock, paths, *account);
  if (!server.ok()) return add_failure(out, "server", server.error(), "");
  const auto health = (*server)->account().health(kCall);
  if (!health.ok()) return add_failure(out, "server", health.error(), "check whether skymoord runs, and its log");
  out.push_back({"server", State::kOk, "answers in " + std::to_string(health->round_trip.count()) + " ms", ""});
  check_clock(out, *health, clock);
  const auto volumes = (*server)->account().volumes(kCall);
  if (!volumes.ok()) return add_failure(out, "session", volumes.error(), "skymoor login");
  out.push_back({"session", State::kOk, "logged in, " + std::to_string(volumes->size()) + (volumes->size() == 1 ? " volume" : " volumes"), ""});
}

}  // namespace skymoor::client
