// What tests of whole devices share: devices in one process, on real stores and backing files, and the server in memory.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "shared/base/log.h"
#include "tests/support/seeds.h"
#include "tests/support/sync_device.h"
#include "tests/support/temp_dir.h"

namespace skymoor::client {

inline std::string noise(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 dice(seed);
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t word = dice();
    std::memcpy(out.data() + i, &word, std::min<std::size_t>(8, size - i));
  }
  return out;
}

class SyncEngineTest : public ::testing::Test {
 protected:
  SyncEngineTest() {
    if (skymoor::testing::traced()) (void)configure_log({.level = "debug", .file = "", .json = false});
  }
  void TearDown() override {
    for (auto& device : devices_) {
      if (!HasFailure()) {
        EXPECT_NO_THROW(device->check());
      }
      device.reset();
    }
  }
  SyncDevice& device(const std::string& name) {
    const auto writer = static_cast<std::uint32_t>(devices_.size() + 1);
    devices_.push_back(std::make_unique<SyncDevice>(volume_, name, writer, directory_ + "/" + name));
    return *devices_.back();
  }
  /// Anna and Berta, who both have the file that Anna made; Berta is offline.
  std::pair<SyncDevice&, SyncDevice&> two_apart(const std::string& path, std::string_view bytes) {
    SyncDevice& a = device("anna");
    SyncDevice& b = device("berta");
    if (const auto slash = path.find('/'); slash != path.npos) a.make_directory(path.substr(0, slash));
    a.write(path, bytes);
    a.sync();
    b.catch_up();
    b.read(path);
    b.remote().set_offline(true);
    return {a, b};
  }
  /// All devices idle and equal to the server.
  void expect_converged() {
    for (int round = 0; round < 3; ++round)
      for (auto& d : devices_) d->catch_up();
    std::map<std::string, std::string> server;
    for (const auto& [path, plain] : volume_.tree()) {
      const bool directory = plain.attributes.type == FileType::kDirectory;
      const bool symlink = plain.attributes.type == FileType::kSymlink;
      server[path] = directory ? "dir" : symlink ? "-> " + plain.target : plain.bytes;
    }
    for (auto& d : devices_) {
      const auto here = d->tree();
      EXPECT_EQ(keys(here), keys(server));
      EXPECT_TRUE(here == server) << "contents differ";
    }
  }
  template <typename Map>
  static std::vector<std::string> keys(const Map& map) {
    std::vector<std::string> out;
    for (const auto& [key, value] : map) out.push_back(key);
    return out;
  }

  skymoor::testing::TempDir temporary_;   // these tests are about order, not about the disk
  const std::string directory_ = temporary_.path();
  TestVolume volume_{7};
  std::vector<std::unique_ptr<SyncDevice>> devices_;
};

}  // namespace skymoor::client
