// Servers put back from backups at random: devices that know more, less, or something else come back in any order, and
// every content that the server held is there in the end. SKYMOOR_SEEDS, SKYMOOR_FIRST_SEED, SKYMOOR_TRACE as elsewhere.
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <random>
#include <thread>

#include "shared/base/log.h"
#include "tests/support/seeds.h"
#include "tests/support/sync_device.h"
#include "tests/support/tally.h"

namespace skymoor::client {
namespace {

class RandomRestore {
 public:
  RandomRestore(std::uint64_t seed, const std::string& directory) : dice_(seed) {
    for (std::uint32_t i = 0; i < 3; ++i) {
      devices_.push_back(std::make_unique<SyncDevice>(volume_, "device" + std::to_string(i + 1), i + 1,
                                                      directory + "/" + std::to_string(i)));
      devices_.back()->options.max_restored_effects = 3 + below(40);
      devices_.back()->stop();
      devices_.back()->start();
    }
  }

  void run() {
    use(10 + below(20));
    for (int restores = 1 + static_cast<int>(below(2)); restores > 0; --restores) {
      const auto backup = volume_.server.back_up();
      // Devices stop hearing of what happens at different times; one hears all of it.
      use(5 + below(25));
      if (below(2)) leave(1);
      use(5 + below(15));
      if (below(2)) leave(2);
      use(5 + below(15));
      std::set<std::string> held = contents();
      for (auto& device : devices_) device->remote().set_offline(true);
      trace("put back");
      volume_.server.put_back(*backup);
      for (auto& device : devices_)
        if (below(2)) held.insert(make(*device));
      come_back();
      const std::set<std::string> now = contents();
      for (const std::string& content : held) EXPECT_TRUE(now.contains(content)) << content.substr(0, 40) << " is lost";
    }
  }

 private:
  std::size_t below(std::size_t n) { return dice_() % n; }
  static void trace(const std::string& what) {
    if (std::getenv("SKYMOOR_TRACE")) std::cerr << what << "\n";
  }
  std::string content() {
    std::string text = std::to_string(++made_) + ":";
    return text + std::string(1 + below(3) * 4000, static_cast<char>('a' + below(26)));
  }
  std::set<std::string> contents() const {
    std::set<std::string> all;
    for (const auto& [path, plain] : volume_.tree())
      if (plain.attributes.type == FileType::kFile) all.insert(plain.bytes);
    return all;
  }
  void leave(std::size_t which) {
    trace(devices_[which]->name() + " leaves");
    devices_[which]->remote().set_offline(true);
  }
  std::string make(SyncDevice& device) {
    const std::string bytes = content();
    device.write("made offline " + std::to_string(made_), bytes);
    trace(device.name() + ": made offline " + std::to_string(made_));
    return bytes;
  }

  /// Each step is at the server before the next: which content may go is what the last step says.
  void use(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) {
      SyncDevice& device = *devices_[below(devices_.size())];
      if (device.remote().offline()) continue;
      device.catch_up();
      try {
        step(device);
      } catch (const std::runtime_error& e) {
        trace(std::string("  failed: ") + e.what());
      }
      device.sync();
    }
  }

  void step(SyncDevice& device) {
    std::vector<std::string> folders{""}, files, all;
    for (const auto& [path, is_folder] : device.paths()) {
      (is_folder ? folders : files).push_back(path);
      all.push_back(path);
    }
    const std::string folder = folders[below(folders.size())];
    const std::string fresh = (folder.empty() ? "" : folder + "/") + static_cast<char>('a' + below(5));
    const std::string any = all.empty() ? "" : all[below(all.size())];
    const std::string file = files.empty() ? "" : files[below(files.size())];
    const std::size_t choice = below(100);
    if (choice < 30 || all.empty()) {
      if (std::count(fresh.begin(), fresh.end(), '/') > 3 || device.exists(fresh)) return;
      trace(device.name() + (choice % 3 ? ": create " : ": mkdir ") + fresh);
      if (choice % 3) device.write(fresh, content());
      else device.make_directory(fresh);
    } else if (choice < 50 && !file.empty()) {
      trace(device.name() + ": write " + file);
      device.write(file, content());
    } else if (choice < 60 && !file.empty()) {
      trace(device.name() + ": unlink " + file);
      device.unlink(file);
    } else if (choice < 65 && folders.size() > 1) {
      const std::string gone = folders[1 + below(folders.size() - 1)];
      trace(device.name() + ": rmdir " + gone);
      device.remove_directory(gone);
    } else if (choice < 88) {
      trace(device.name() + ": rename " + any + " to " + fresh);
      device.rename(any, fresh);
    } else if (choice < 93 && !file.empty()) {
      trace(device.name() + ": link " + file + " to " + fresh);
      device.link(file, fresh);
    } else {
      trace(device.name() + ": chmod " + any);
      device.chmod(any, 0600 + static_cast<std::uint32_t>(below(64)));
    }
  }

  void come_back() {
    std::vector<std::size_t> order{0, 1, 2};
    std::shuffle(order.begin(), order.end(), dice_);
    for (std::size_t i : order) {
      trace(devices_[i]->name() + " is back");
      if (below(3) == 0) devices_[i]->remote().lose_commit_answers = 1;
      devices_[i]->remote().set_offline(false);
      devices_[i]->engine().wake();
      if (below(3)) catch_up(*devices_[i]);
    }
    for (int round = 0; round < 3; ++round)
      for (auto& device : devices_) catch_up(*device);
    // One that had nothing to give back still waits to lose an answer: not between two steps, of which each must arrive.
    for (auto& device : devices_) device->remote().lose_commit_answers = 0;
    for (auto& device : devices_) {
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      std::string wrong = difference(*device);
      while (!wrong.empty() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        catch_up(*device);
        wrong = difference(*device);
      }
      EXPECT_EQ(wrong, "") << device->name();
      if (!::testing::Test::HasFailure()) device->check();
    }
  }

  void catch_up(SyncDevice& device) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (device.store().position().epoch != volume_.server.epoch() ||
           device.store().position().cursor.value != volume_.server.commits() ||
           device.store().last_lsn() > device.store().position().acknowledged) {
      const auto status = device.engine().status();
      if (status.stopped || std::chrono::steady_clock::now() > deadline)
        throw std::runtime_error(device.name() + " does not come back: " + status.reason);
      device.engine().wake();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  std::string difference(SyncDevice& device) {
    std::map<std::string, std::string> server;
    for (const auto& [path, plain] : volume_.tree())
      server[path] = plain.attributes.type == FileType::kDirectory ? "dir" : plain.bytes;
    std::string differ;
    const auto here = device.tree();
    for (const auto& [path, bytes] : server)
      if (auto it = here.find(path); it == here.end()) differ += " -" + path;
      else if (it->second != bytes) differ += " !" + path;
    for (const auto& [path, bytes] : here)
      if (!server.contains(path)) differ += " +" + path;
    return differ;
  }

  std::mt19937_64 dice_;
  TestVolume volume_{11};
  std::vector<std::unique_ptr<SyncDevice>> devices_;
  int made_ = 0;
};

TEST(RestoreRandom, nothing_that_the_server_held_is_lost) {
  skymoor::testing::for_each_seed(2, [](std::uint64_t seed, const std::string& directory) {
    RandomRestore(seed, directory).run();
    skymoor::testing::tally("server put back");
  });
}

}  // namespace
}  // namespace skymoor::client
