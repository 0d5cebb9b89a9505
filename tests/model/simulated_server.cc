#include "tests/model/simulated_server.h"

#include <filesystem>
#include <stdexcept>

#include "backend-server/metadata_store/metadata_store.h"
#include "shared/protocol/failure.h"

namespace skymoor::client::model {
namespace {

using skymoor::testing::PowerLossDisk;
using skymoor::testing::SqliteOnDisk;

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

template <typename T>
T must(Result<T> result, const char* what) {
  if (!result.ok()) throw std::runtime_error(std::string("server: ") + what + ": " + result.error().to_string());
  return std::move(result).value();
}
void must(const Status& status, const char* what) {
  if (!status.ok()) throw std::runtime_error(std::string("server: ") + what + ": " + status.error().to_string());
}

UserId the_user() {
  UserId id;
  id.value.fill(77);
  return id;
}

}  // namespace

SimulatedServer::SimulatedServer(std::string directory, const crypto::VolumeKey& volume, const Clock& clock,
                                 std::uint64_t seed)
    : directory_(std::move(directory)),
      key_(volume),
      cipher_(volume),
      clock_(clock),
      random_(std::make_unique<SeededRandom>(seed)),
      dice_(seed ^ 0x5eed),
      disk_(std::make_unique<PowerLossDisk>()) {
  std::filesystem::create_directories(directory_ + "/blocks");
  open();
  make_volume();
}

SimulatedServer::~SimulatedServer() { close(); }

void SimulatedServer::open() {
  sqlite_ = std::make_unique<SqliteOnDisk>(*disk_, directory_);
  server::SegmentBlockStore::Options blocks;
  blocks.directory = directory_ + "/blocks";
  blocks.segment_bytes = (1024 + 64) * 1024;  // so small that they fill; the next life goes on with the last up to 64 KiB
  blocks_ = must(server::SegmentBlockStore::open(*disk_, *random_, std::move(blocks)), "open the block store");
  partial_ = std::make_unique<server::PartialBlocks>(clock_);
  server::ServiceOptions options;
  options.directory = directory_;
  options.accounts.scrypt_log_n = 4;
  options.free_bytes = [] { return std::uint64_t{1} << 40; };
  services_ = must(server::Services::open(std::move(options), {*disk_, *blocks_, *partial_, clock_, *random_}), "open");
}

void SimulatedServer::close() {
  services_.reset();
  partial_.reset();
  blocks_.reset();
  sqlite_.reset();
}

void SimulatedServer::make_volume() {
  server::UserRow user{the_user(), "anna", Bytes(32, 1), Bytes(129, 2)};
  user.keys.sealing_key = user.keys.signing_key = user.keys.recovery_verifier = Bytes(32, 9);
  user.keys.password_wrap = user.keys.recovery_wrap = Bytes(64, 8);
  user.created = clock_.now();
  must(services_->store().update([&](server::Tables& tables) { return tables.accounts.insert_user(user); }), "add a user");
  protocol::CreateVolume request;
  request.id = key_.volume;
  request.sealed_key = Bytes(80, 1);
  request.sealed_label = Bytes(48, 2);
  must(services_->volumes().create(caller_of({}), request), "create the volume");
}

server::Caller SimulatedServer::caller_of(const DeviceId& device) const {
  return {the_user(), device, "simulation", false, "192.0.2.1"};
}

void SimulatedServer::add_device(const protocol::DevicePublic& device, WriterId writer) {
  server::DeviceRow row{device, the_user(), clock_.now(), clock_.now()};
  const auto insert = [&](server::Tables& tables) { return tables.accounts.insert_device(row); };
  must(services_->store().update(insert), "add a device");
  must(services_->volumes().claim_writer(caller_of(device.id), key_.volume, writer), "lease a prefix");
  reader_ = device.id;
}

void SimulatedServer::arm(End how, int steps) {
  disk_->before_step = [this, how, steps]() mutable {
    if (left_ || steps-- > 0) return;
    how_ = how;
    left_ = how == End::kKill ? disk_->after_kill() : disk_->after_power_cut(dice_);
  };
}

void SimulatedServer::disarm() {
  disk_->before_step = [] {};
}

void SimulatedServer::end_after(End how, int steps) {
  if (!up()) return;
  if (how == End::kOrderly) {
    ++counts_.restarts;
    disarm();
    return close();
  }
  arm(how, steps);
  if (steps > 0) return;
  disk_->before_step();
  go_down();
}

/// What goes on running, on the disk that is forgotten, is nobody's business any more.
void SimulatedServer::go_down() {
  ++(how_ == End::kKill ? counts_.kills : counts_.power_cuts);
  disarm();
  close();
  disk_ = std::move(left_);
}

void SimulatedServer::start() {
  if (up()) return;
  for (bool whole = false; !whole;) {
    if (dice_() % 3 == 0) arm(dice_() % 2 ? End::kKill : End::kPowerCut, static_cast<int>(dice_() % 12));
    open();
    disarm();
    whole = !left_;
    counts_.within_openings += !whole;
    if (!whole) go_down();
  }
  verify();
}

void SimulatedServer::keep_house() {
  if (!up()) return;
  partial_->drop_idle();
  while (must(blocks_->maintain(), "maintain")) {
  }
  (void)must(blocks_->scrub({}), "scrub");
  if (left_) go_down();
}

Result<Bytes> SimulatedServer::serve(const Handle& handle) {
  if (!up()) return Error(Code::kOffline, "nobody listens");
  Result<Bytes> answer = handle(*services_);
  if (left_) {
    ++counts_.within_requests;
    go_down();
    return Error(Code::kOffline, "the connection broke");
  }
  if (answer.ok()) return answer;
  const Code code = answer.error().code();
  if (code == Code::kInternal || code == Code::kIo || code == Code::kCorrupt)
    throw std::runtime_error("server: " + answer.error().to_string());
  const std::string text = protocol::encode_failure(answer.error(), "request");
  return protocol::decode_failure(http_status_of(code), as_bytes(text));
}

void SimulatedServer::said(Sequence sequence, const Hash256& hash) {
  if (auto [at, is_new] = commits_.emplace(sequence, hash); !is_new && at->second != hash)
    throw std::runtime_error("server: two commits are number " + std::to_string(sequence.value));
}
void SimulatedServer::said(const FeedPage& page) {
  for (const FeedEntry& entry : page.entries) said(entry.sequence, entry.hash);
}
void SimulatedServer::said(const std::vector<protocol::BlockStatus>& states) {
  for (const auto& status : states)
    if (status.state == protocol::BlockState::kStored) stored_.insert(status.block);
}

}  // namespace skymoor::client::model
