#include "fuse/app/account/volume_keys.h"

#include <unistd.h>

#include "shared/crypto/hash.h"
#include "shared/crypto/volume_cipher.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxLabelBytes = 64;
/// A label is sealed as the name of an entry in the directory that no volume has.
constexpr InodeId kLabelDirectory{0};

ListedVolume open_listed(const Account& account, protocol::VolumeInfo info) {
  ListedVolume listed{std::move(info), {}, {}, {}};
  if (account.user_key.seed.empty()) {
    listed.why_closed = "this device is logged out";
    return listed;
  }
  // A user's volumes have keys that one of the user's own devices made: nobody else signs them.
  auto key = crypto::open_volume_key(listed.info.id, listed.info.key_epoch, account.user_key.sealing_key(),
                                     account.user_key.signing_key().public_key, listed.info.sealed_key);
  if (!key.ok()) {
    listed.why_closed = key.error().code() == Code::kBadSignature
                            ? key.error().message() + ": do not trust this server with anything new"
                            : "its key is not sealed to this user";
    return listed;
  }
  auto label = crypto::VolumeCipher(*key).open_name(kLabelDirectory, kLabelDirectory, listed.info.sealed_label);
  if (!label.ok()) {
    listed.why_closed = "its name does not open with its key";
    return listed;
  }
  listed.key = std::move(*key);
  listed.label = std::move(*label);
  return listed;
}

}  // namespace

Status check_volume_label(std::string_view label) {
  const auto refuse = [&](const char* why) {
    return Error(Code::kInvalidArgument, "volume name '" + std::string(label) + "' " + why);
  };
  if (label.empty() || label.size() > kMaxLabelBytes) return refuse("must have 1 to 64 characters");
  for (unsigned char c : label)
    if (c < 0x20 || c == 0x7f || c == '/' || c == ',') return refuse("holds a control character, '/' or ','");
  if (label.front() == ' ' || label.back() == ' ' || label.front() == '-')
    return refuse("begins with '-' or has a space at an end");
  return {};
}

Result<ListedVolume> create_volume(AccountRemote& remote, const Account& account, const std::string& label,
                                   protocol::VolumeKind kind, Random& random, CallOptions options) {
  TRY(check_volume_label(label));
  if (account.user_key.seed.empty())
    return Error(Code::kUnauthenticated, "this device is logged out: run 'skymoor login'");
  for (const ListedVolume& other : TRY(list_volumes(remote, account, options)))
    if (other.label == label)
      return Error(Code::kAlreadyExists, "there is a volume '" + label + "' already: mount it, or choose another name");
  VolumeId id;
  random.fill(id.value);
  const auto key = crypto::VolumeKey::generate(id, random);
  protocol::CreateVolume request;
  request.id = id;
  request.kind = kind;
  request.key_epoch = key.epoch;
  request.sealed_key = crypto::seal_volume_key(key, account.user_key.sealing_key().public_key,
                                               account.user_key.signing_key(), random);
  request.sealed_label = crypto::VolumeCipher(key).seal_name(kLabelDirectory, kLabelDirectory, label);
  request.root_uid = ::geteuid();
  request.root_gid = ::getegid();
  ListedVolume made = open_listed(account, TRY(remote.create_volume(request, options)));
  if (made.info.id != id || !crypto::constant_time_equal(made.key.seed.view(), key.seed.view()))
    return Error(Code::kBadSignature, "the server answers with another volume than the one that was made: do not use it");
  return made;
}

Result<std::vector<ListedVolume>> list_volumes(AccountRemote& remote, const Account& account, CallOptions options) {
  std::vector<ListedVolume> volumes;
  for (auto& info : TRY(remote.volumes(options))) volumes.push_back(open_listed(account, std::move(info)));
  std::sort(volumes.begin(), volumes.end(), [](const auto& a, const auto& b) { return a.label < b.label; });
  return volumes;
}

Result<ListedVolume> find_volume(AccountRemote& remote, const Account& account, const std::string& name,
                                 CallOptions options) {
  std::vector<ListedVolume> matches;
  std::string labels, closed;
  for (auto& volume : TRY(list_volumes(remote, account, options))) {
    if (!volume.why_closed.empty()) closed += "; volume " + volume.info.id.hex() + " does not open: " + volume.why_closed;
    if (!volume.label.empty()) labels += (labels.empty() ? "" : ", ") + volume.label;
    if (volume.label == name || volume.info.id.hex() == name) matches.push_back(std::move(volume));
  }
  if (matches.empty())
    return Error(Code::kNotFound, "there is no volume '" + name + "'; " +
                                      (labels.empty() ? "make one: skymoor volume create " + name
                                                      : "there are: " + labels) + closed);
  if (matches.size() > 1) {
    std::string ids;
    for (const auto& volume : matches) ids += "\n  " + volume.info.id.hex();
    return Error(Code::kInvalidArgument, "several volumes are called '" + name + "': name one by its id" + ids);
  }
  if (!matches.front().why_closed.empty())
    return Error(Code::kCorrupt, "volume " + name + " does not open: " + matches.front().why_closed);
  return std::move(matches.front());
}

}  // namespace skymoor::client
