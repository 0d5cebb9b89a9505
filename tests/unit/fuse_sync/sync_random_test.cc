// Whole devices under random use, cut lines, lost answers and restarts: in the end all trees are one, byte for byte.
// SKYMOOR_SMALL_COMMITS=1: always in commits of a few records.
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <random>

#include "fuse/sync/plan/describe.h"
#include "shared/base/log.h"
#include "tests/support/seeds.h"
#include "tests/support/sync_device.h"

namespace skymoor::client {
namespace {

/// One run: users that do what they like on devices that come and go.
class RandomUse {
 public:
  RandomUse(std::uint64_t seed, const std::string& directory) : dice_(seed), copies_(seed % 2 == 1) {
    for (std::uint32_t i = 0; i < 2 + seed % 2; ++i)
      devices_.push_back(std::make_unique<SyncDevice>(volume_, "device" + std::to_string(i + 1), i + 1,
                                                      directory + "/" + std::to_string(i)));
    // In one run of three what waits never fits into one commit: contents go ahead of their records.
    for (auto& device : devices_) {
      if (seed % 3 != 0 && skymoor::testing::number_from("SKYMOOR_SMALL_COMMITS", 0) == 0) break;
      device->stop();
      device->options.max_batch_records = 1 + below(8);
      device->start();
    }
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      SyncDevice& device = *devices_[below(devices_.size())];
      const Lsn before = device.store().last_lsn();
      try {
        step(device);
      } catch (const std::runtime_error& e) {
        trace(device, std::string("  failed: ") + e.what());
        // Offline and not here, or taken away by another device in between: as on a real mount.
      }
      if (std::getenv("SKYMOOR_TRACE")) tell_records(device, before);
    }
    settle();
  }

 private:
  std::size_t below(std::size_t n) { return dice_() % n; }
  std::string content() { return std::string(1 + below(3) * 3000, static_cast<char>('a' + below(26))) + std::to_string(++made_); }
  std::string name() { return std::string(1, static_cast<char>('a' + below(4))); }

  /// For looking at one seed: SKYMOOR_TRACE=1.
  static void trace(SyncDevice& device, const std::string& what) {
    if (std::getenv("SKYMOOR_TRACE")) std::cerr << device.name() << ": " << what << "\n";
  }

  static void tell_records(SyncDevice& device, Lsn after) {
    auto records = device.store().records_after(after, 100, 1u << 20);
    if (!records.ok()) return;
    for (const LogRecord& record : *records) trace(device, "  record " + describe(record));
  }

  void step(SyncDevice& device) {
    const std::size_t choice = below(100);
    if (choice < 25) trace(device, "line or restart " + std::to_string(choice));
    if (choice < 6) return device.remote().set_offline(true);
    if (choice < 14) return device.remote().set_offline(false);
    if (choice < 17) return void(device.remote().lose_commit_answers = 1);
    if (choice < 19) return void(device.remote().refuse_commits = 1);
    if (choice < 22) {
      device.stop();
      const bool was_offline = device.remote().offline();
      device.remote().set_offline(false);
      device.start();
      device.remote().set_offline(was_offline);
      return;
    }
    if (choice < 25) return std::this_thread::sleep_for(std::chrono::milliseconds(20));
    use(device, choice);
  }

  void use(SyncDevice& device, std::size_t choice) {
    std::vector<std::string> folders{""}, files, all;
    for (const auto& [path, is_folder] : device.paths()) {
      (is_folder ? folders : files).push_back(path);
      all.push_back(path);
    }
    const std::string folder = folders[below(folders.size())];
    const std::string fresh = folder.empty() ? name() : folder + "/" + name();
    if (choice < 40 || all.empty()) {
      if (std::count(fresh.begin(), fresh.end(), '/') < 3 && !device.exists(fresh)) {
        trace(device, (choice % 3 ? "create " : "mkdir ") + fresh);
        if (choice % 3) device.write(fresh, content());
        else device.make_directory(fresh);
      }
      return;
    }
    const std::string any = all[below(all.size())];
    const std::string file = files.empty() ? "" : files[below(files.size())];
    if (choice < 58 && !files.empty()) {
      const std::string bytes = content();
      trace(device, "write " + file + " " + std::to_string(made_));
      device.write(file, bytes);
    } else if (choice < 64 && !files.empty()) {
      trace(device, "patch " + file + " " + std::to_string(made_ + 1));
      device.write_at(file, below(4000), "patch" + std::to_string(++made_));
    } else if (choice < 72 && !files.empty()) {
      trace(device, "unlink " + file);
      device.unlink(file);
    } else if (choice < 76 && folders.size() > 1) {
      const std::string gone = folders[1 + below(folders.size() - 1)];
      trace(device, "rmdir " + gone);
      device.remove_directory(gone);
    } else if (choice < 92) {
      trace(device, "rename " + any + " to " + fresh);
      device.rename(any, fresh);
    } else if (choice < 93 && copies_ && !files.empty() && !device.exists(fresh)) {
      trace(device, "copy " + file + " to " + fresh);
      device.copy(file, fresh);
    } else if (choice < 95 && !files.empty()) {
      trace(device, "link " + file + " to " + fresh);
      device.link(file, fresh);
    } else if (choice < 97 && !files.empty()) {
      Request request;
      const auto names = device.files().list_xattrs(request, device.inode_of(any));
      if (names.ok() && !names->empty() && below(2) == 0) {
        trace(device, "no " + names->front() + " of " + any);
        return device.remove_xattr(any, names->front());
      }
      trace(device, "xattr " + any);
      device.set_xattr(any, "user." + name(), std::to_string(++made_));
    } else {
      trace(device, "chmod " + any);
      device.chmod(any, 0600 + static_cast<std::uint32_t>(below(64)));
    }
  }

  void settle() {
    for (auto& device : devices_) {
      device->remote().set_offline(false);
      device->remote().lose_commit_answers = device->remote().refuse_commits = 0;
    }
    for (int round = 0; round < 4; ++round)
      for (auto& device : devices_) device->catch_up();
    for (auto& device : devices_) {
      // A re-plan may follow the last change: what shows settles a moment after the cursor has.
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
      std::string wrong = difference(*device);
      while (!wrong.empty() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        device->sync();  // an orphan that was let go of is a record, too
        wrong = difference(*device);
      }
      EXPECT_EQ(wrong, "") << device->name();
    }
    // Everything is written with bytes of its own: two files with the same are one edit's, and its copy's.
    std::map<std::string, std::pair<InodeId, std::string>> holders;
    for (const auto& [path, plain] : volume_.tree()) {
      if (plain.bytes.empty() || copies_) continue;
      const auto [holder, first] = holders.try_emplace(plain.bytes, plain.inode, path);
      EXPECT_TRUE(first || holder->second.first == plain.inode) << path << " has the same bytes as " << holder->second.second;
    }
  }

  /// What keeps a device from being as the server is; empty when nothing does.
  std::string difference(SyncDevice& device) {
    std::map<std::string, std::string> server;
    for (const auto& [path, plain] : volume_.tree())
      server[path] = plain.attributes.type == FileType::kDirectory ? "dir" : plain.bytes;
    std::string differ;
    try {
      device.check();
      const auto here = device.tree();
      auto end = [](const std::string& bytes) {
        return std::to_string(bytes.size()) + " bytes ..." + bytes.substr(bytes.size() - std::min<std::size_t>(12, bytes.size()));
      };
      for (const auto& [path, bytes] : server)
        if (auto it = here.find(path); it == here.end()) differ += " -" + path;
        else if (it->second != bytes) {
          const auto at = static_cast<std::size_t>(std::mismatch(bytes.begin(), bytes.end(), it->second.begin(), it->second.end()).first - bytes.begin());
          differ += " !" + path + " (" + end(it->second) + ", server " + end(bytes) + ", from " + std::to_string(at) + " on: " +
                    it->second.substr(std::min(at, it->second.size()), 8) + ", server " + bytes.substr(at, 8) + ")";
        }
      for (const auto& [path, bytes] : here)
        if (!server.contains(path)) differ += " +" + path;
      const auto facts = device.facts();
      for (const auto& [path, plain] : volume_.tree()) {
        const std::string wanted = SyncDevice::fact(plain.attributes, plain.links, plain.xattrs);
        if (auto it = facts.find(path); it != facts.end() && it->second != wanted)
          differ += " ~" + path + " (" + it->second + ", server " + wanted + ")";
      }
    } catch (const std::runtime_error& e) {
      differ += std::string(" ") + e.what();
    }
    if (const auto pending = device.store().pending().records) differ += " " + std::to_string(pending) + " pending";
    return differ;
  }

  std::mt19937_64 dice_;
  const bool copies_;   ///< files are copied, too
  TestVolume volume_{9};
  std::vector<std::unique_ptr<SyncDevice>> devices_;
  int made_ = 0;
};

TEST(SyncRandom, DevicesConverge) {
  skymoor::testing::for_each_seed(8, [](std::uint64_t seed, const std::string& directory) { RandomUse(seed, directory).run(120); });
}

}  // namespace
}  // namespace skymoor::client
