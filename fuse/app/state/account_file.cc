#include "fuse/app/state/account_file.h"

#include <unistd.h>

#include "fuse/app/state/state_file.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxDeviceNameBytes = 64;

std::string machine_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "device";
  return std::string(name).substr(0, kMaxDeviceNameBytes);
}

protocol::Json to_json(const Account& account) {
  using protocol::base64;
  return {{"server", account.server_url},
          {"pin", account.trust.pin},
          {"fingerprint", account.trust.fingerprint},
          {"user_id", account.user.hex()},
          {"user", account.user_name},
          {"device_id", account.device.hex()},
          {"device_name", account.device_name},
          {"signing_seed", base64(account.signing_seed.view())},
          {"sealing_seed", base64(account.sealing_seed.view())},
          {"user_key_generation", account.user_key.generation},
          {"user_key_seed", base64(account.user_key.seed.view())}};
}

Account from_json(protocol::FieldReader& in) {
  Account account;
  account.server_url = in.text("server", 1024, 1);
  account.trust.pin = in.text("pin", 256);
  account.trust.fingerprint = in.text("fingerprint", 256);
  account.user = in.hex_id<UserId>("user_id");
  account.user_name = in.text("user", 64, 1);
  account.device = in.hex_id<DeviceId>("device_id");
  account.device_name = in.text("device_name", kMaxDeviceNameBytes, 1);
  account.signing_seed = crypto::SecretBytes::adopt(in.bytes_exactly("signing_seed", 32));
  account.sealing_seed = crypto::SecretBytes::adopt(in.bytes_exactly("sealing_seed", 32));
  account.user_key.generation = static_cast<std::uint32_t>(in.number("user_key_generation", UINT32_MAX));
  account.user_key.seed = crypto::SecretBytes::adopt(in.bytes("user_key_seed", 32));
  return account;
}

}  // namespace

protocol::DevicePublic Account::device_public() const {
  const auto signing = crypto::ed25519_from_seed(signing_seed.view());
  const auto sealing = crypto::x25519_from_seed(sealing_seed.view());
  return {device, device_name, to_bytes(ByteView(signing.public_key)), to_bytes(ByteView(sealing.public_key))};
}

Result<Account> load_account(Disk& disk, const std::string& path) {
  auto json = read_state_file(disk, path, "account");
  if (!json.ok()) {
    if (json.error().code() == Code::kNotFound)
      return Error(Code::kUnauthenticated,
                   "nobody is logged in here: run 'skymoor login URL USER' (or 'skymoor signup URL USER' for a new "
                   "account)");
    return json.error();
  }
  protocol::FieldReader in(*json, "");
  Account account = from_json(in);
  if (Status read = in.finish(); !read.ok()) return damaged_state_file(path, read.error());
  return account;
}

Status save_account(Disk& disk, const std::string& path, const Account& account) {
  return write_state_file(disk, path, "account", to_json(account));
}

Account make_device(std::string name, Random& random) {
  Account account;
  random.fill(account.device.value);
  account.device_name = name.empty() ? machine_name() : std::move(name);
  account.signing_seed = crypto::ed25519_generate(random).seed.clone();
  account.sealing_seed = crypto::x25519_generate(random).seed.clone();
  return account;
}

}  // namespace skymoor::client
