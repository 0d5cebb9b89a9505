#include "tests/support/power_loss_disk.h"

#include <algorithm>
#include <set>

namespace skymoor::testing {
namespace {

constexpr std::uint64_t kSector = 128;    // smaller than any real one: harder

/// The part of `path` below `directory`, empty when it is not right in it.
std::string name_in(const std::string& directory, const std::string& path) {
  if (!path.starts_with(directory + "/")) return {};
  std::string name = path.substr(directory.size() + 1);
  return name.find('/') == std::string::npos ? name : std::string();
}

}  // namespace

class PowerLossDisk::MemoryFile final : public File {
 public:
  MemoryFile(PowerLossDisk& disk, std::shared_ptr<Node> node) : disk_(disk), node_(std::move(node)) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
    std::lock_guard lock(disk_.mutex_);
    if (offset >= node_->bytes.size()) return std::size_t{0};
    const std::size_t n = std::min<std::size_t>(out.size(), node_->bytes.size() - offset);
    std::copy_n(node_->bytes.begin() + static_cast<std::ptrdiff_t>(offset), n, out.begin());
    return n;
  }
  Status write_at(std::uint64_t offset, ByteView data) override { return change({offset, to_bytes(data), false}); }
  Status truncate(std::uint64_t size) override { return change({size, {}, true}); }
  Status sync() override {
    disk_.before_step();
    std::lock_guard lock(disk_.mutex_);
    for (const Change& change : node_->unsynced) apply(node_->durable, change);
    node_->unsynced.clear();
    return {};
  }
  Result<std::uint64_t> size() override {
    std::lock_guard lock(disk_.mutex_);
    return std::uint64_t{node_->bytes.size()};
  }
  int fd() const override { return -1; }

 private:
  Status change(Change change) {
    disk_.before_step();
    std::lock_guard lock(disk_.mutex_);
    apply(node_->bytes, change);
    node_->unsynced.push_back(std::move(change));
    return {};
  }

  PowerLossDisk& disk_;
  const std::shared_ptr<Node> node_;
};

void PowerLossDisk::apply(Bytes& bytes, const Change& change) {
  if (change.resizes) return bytes.resize(change.at);
  bytes.resize(std::max<std::size_t>(bytes.size(), change.at + change.bytes.size()));
  std::copy(change.bytes.begin(), change.bytes.end(), bytes.begin() + static_cast<std::ptrdiff_t>(change.at));
}

Bytes PowerLossDisk::torn(const Node& node, std::mt19937_64& engine) {
  Bytes bytes = node.durable;
  const auto share = engine() % 4;    // nothing, all, or each sector by chance
  if (share == 0) return bytes;
  if (share == 1) return node.bytes;
  for (const Change& change : node.unsynced) {
    if (change.resizes) {
      if (engine() % 2) apply(bytes, change);
      continue;
    }
    for (std::uint64_t at = change.at, end = change.at + change.bytes.size(); at < end;) {
      const std::uint64_t next = std::min(end, (at / kSector + 1) * kSector);
      const auto from = change.bytes.begin() + static_cast<std::ptrdiff_t>(at - change.at);
      if (engine() % 3) apply(bytes, {at, Bytes(from, from + static_cast<std::ptrdiff_t>(next - at)), false});
      at = next;
    }
  }
  return bytes;
}

std::unique_ptr<PowerLossDisk> PowerLossDisk::after_power_cut(std::mt19937_64& engine) const {
  auto cut = std::make_unique<PowerLossDisk>();
  std::lock_guard lock(mutex_);
  std::set<std::string> names;
  for (const auto& [name, node] : live_) names.insert(name);
  for (const auto& [name, node] : durable_) names.insert(name);
  for (const std::string& name : names) {
    auto of = [&](const Names& in) { return in.contains(name) ? in.at(name) : nullptr; };
    auto node = engine() % 2 ? of(live_) : of(durable_);
    if (!node) continue;
    auto kept = std::make_shared<Node>();
    kept->bytes = kept->durable = torn(*node, engine);
    cut->live_[name] = cut->durable_[name] = kept;
  }
  return cut;
}

std::unique_ptr<PowerLossDisk> PowerLossDisk::after_kill() const {
  auto left = std::make_unique<PowerLossDisk>();
  std::lock_guard lock(mutex_);
  std::map<const Node*, std::shared_ptr<Node>> copies;
  auto copy = [&](const Names& from, Names& to) {
    for (const auto& [name, node] : from) {
      auto& one = copies[node.get()];
      if (!one) one = std::make_shared<Node>(*node);
      to[name] = one;
    }
  };
  copy(live_, left->live_);
  copy(durable_, left->durable_);
  return left;
}

Result<std::unique_ptr<File>> PowerLossDisk::open(const std::string& path, OpenOptions options) {
  std::unique_lock lock(mutex_);
  auto it = live_.find(path);
  if (it != live_.end() && options.create && options.exclusive) return Error(Code::kAlreadyExists, path);
  if (it == live_.end()) {
    if (!options.create) return Error(Code::kNotFound, path);
    lock.unlock();
    before_step();
    lock.lock();
    it = live_.emplace(path, std::make_shared<Node>()).first;
  }
  return std::unique_ptr<File>(std::make_unique<MemoryFile>(*this, it->second));
}

Status PowerLossDisk::rename(const std::string& from, const std::string& to) {
  before_step();
  std::lock_guard lock(mutex_);
  auto it = live_.find(from);
  if (it == live_.end()) return Error(Code::kNotFound, from);
  live_[to] = it->second;
  live_.erase(from);
  return {};
}

Status PowerLossDisk::unlink(const std::string& path) {
  before_step();
  std::lock_guard lock(mutex_);
  if (live_.erase(path) == 0) return Error(Code::kNotFound, path);
  return {};
}

Status PowerLossDisk::sync_directory(const std::string& path) {
  before_step();
  std::lock_guard lock(mutex_);
  std::erase_if(durable_, [&](const auto& entry) { return !name_in(path, entry.first).empty(); });
  for (const auto& [name, node] : live_)
    if (!name_in(path, name).empty()) durable_[name] = node;
  return {};
}

Result<std::vector<std::string>> PowerLossDisk::list(const std::string& path) {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, node] : live_)
    if (std::string below = name_in(path, name); !below.empty()) names.push_back(std::move(below));
  return names;
}

bool PowerLossDisk::exists(const std::string& path) {
  std::lock_guard lock(mutex_);
  return live_.contains(path);
}

}  // namespace skymoor::testing
