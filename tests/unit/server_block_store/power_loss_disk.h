// PowerLossDisk: a Disk that knows what a power cut would leave.
#pragma once
#include <map>
#include <memory>
#include <random>
#include <set>

#include "tests/unit/server_block_store/store_fixture.h"

namespace skymoor::server {

/// Files in memory. A file's bytes are durable up to its last sync, a directory's entries up to its last sync_directory.
/// `after_power_cut` is another disk: of what was not durable some is there and some is not. One thread; one directory.
class PowerLossDisk final : public Disk {
 public:
  /// Called before every step that changes something.
  std::function<void()> before_step = [] {};

  std::unique_ptr<PowerLossDisk> after_power_cut(std::mt19937_64& engine) const {
    auto cut = std::make_unique<PowerLossDisk>();
    std::set<std::string> names;
    for (const auto& [name, node] : live_) names.insert(name);
    for (const auto& [name, node] : durable_) names.insert(name);
    for (const std::string& name : names) {
      auto of = [&](const Names& in) { return in.contains(name) ? in.at(name) : nullptr; };
      auto node = engine() % 2 ? of(live_) : of(durable_);
      if (!node) continue;
      auto kept = std::make_shared<Node>();
      kept->bytes = torn(*node, engine);
      kept->durable = kept->bytes;
      cut->live_[name] = cut->durable_[name] = kept;
    }
    return cut;
  }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override {
    auto it = live_.find(path);
    if (it != live_.end() && options.create && options.exclusive) return Error(Code::kAlreadyExists, path);
    if (it == live_.end()) {
      if (!options.create) return Error(Code::kNotFound, path);
      before_step();
      it = live_.emplace(path, std::make_shared<Node>()).first;
    }
    return std::unique_ptr<File>(std::make_unique<MemoryFile>(*this, it->second));
  }
  Status rename(const std::string& from, const std::string& to) override {
    before_step();
    live_[to] = live_.at(from);
    live_.erase(from);
    return {};
  }
  Status unlink(const std::string& path) override {
    before_step();
    if (live_.erase(path) == 0) return Error(Code::kNotFound, path);
    return {};
  }
  Status make_directories(const std::string&, unsigned) override { return {}; }
  Status sync_directory(const std::string&) override {
    before_step();
    durable_ = live_;
    return {};
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    std::vector<std::string> names;
    for (const auto& [name, node] : live_) names.push_back(name.substr(path.size() + 1));
    return names;
  }
  Result<std::uint64_t> free_bytes(const std::string&) override { return 1ull << 40; }
  bool exists(const std::string& path) override { return live_.contains(path); }
  Status fault(std::string_view, std::string_view) override { return {}; }

 private:
  struct Node {
    Bytes bytes, durable;
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  class MemoryFile final : public File {
   public:
    MemoryFile(PowerLossDisk& disk, std::shared_ptr<Node> node) : disk_(disk), node_(std::move(node)) {}
    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
      if (offset >= node_->bytes.size()) return std::size_t{0};
      const std::size_t n = std::min<std::size_t>(out.size(), node_->bytes.size() - offset);
      std::copy_n(node_->bytes.begin() + static_cast<std::ptrdiff_t>(offset), n, out.begin());
      return n;
    }
    Status write_at(std::uint64_t offset, ByteView data) override {
      disk_.before_step();
      node_->bytes.resize(std::max<std::size_t>(node_->bytes.size(), offset + data.size()));
      std::copy(data.begin(), data.end(), node_->bytes.begin() + static_cast<std::ptrdiff_t>(offset));
      return {};
    }
    Status sync() override {
      disk_.before_step();
      node_->durable = node_->bytes;
      return {};
    }
    Status truncate(std::uint64_t size) override {
      disk_.before_step();
      node_->bytes.resize(size);
      return {};
    }
    Result<std::uint64_t> size() override { return std::uint64_t{node_->bytes.size()}; }
    int fd() const override { return -1; }

   private:
    PowerLossDisk& disk_;
    std::shared_ptr<Node> node_;
  };

  /// The durable bytes, and of those after them any part in any order: pages are written back as the kernel likes.
  static Bytes torn(const Node& node, std::mt19937_64& engine) {
    Bytes bytes = node.durable;
    if (engine() % 4 == 0 || node.bytes.size() <= bytes.size()) return bytes;
    const std::size_t start = bytes.size();
    const std::size_t more = engine() % (node.bytes.size() - start + 1);
    bytes.insert(bytes.end(), node.bytes.begin() + static_cast<std::ptrdiff_t>(start),
                 node.bytes.begin() + static_cast<std::ptrdiff_t>(start + more));
    constexpr std::size_t kPage = 128;
    for (std::size_t at = start; at < bytes.size(); at += kPage)
      if (engine() % 3 == 0) std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                       bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at + kPage, bytes.size())), 0);
    return bytes;
  }

  Names live_, durable_;
};

}  // namespace skymoor::server
