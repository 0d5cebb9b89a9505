#include "tests/model/engine_simulation.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <iostream>
#include <random>

#include "shared/model/change.h"
#include "tests/model/service_remote.h"
#include "tests/support/crash_disk.h"
#include "tests/support/sync_device.h"

namespace skymoor::client::model {
namespace {

using skymoor::testing::CrashDisk;

/// Stands still unless it is moved on.
class VirtualClock final : public Clock {
 public:
  Timestamp now() const override { return Timestamp{std::chrono::nanoseconds{1'800'000'000'000'000'000 + ticks_.load()}}; }
  Instant monotonic() const override { return Instant{std::chrono::nanoseconds{1'000'000'000'000 + ticks_.load()}}; }
  void advance(std::chrono::milliseconds by) { ticks_ += std::chrono::nanoseconds(by).count(); }

 private:
  std::atomic<std::int64_t> ticks_{0};
};

std::string id_text(InodeId id) { return std::to_string(id.value); }
std::string id_text(OpId id) { return std::to_string(id.writer.value) + "." + std::to_string(id.counter); }

std::string words(const Effect& effect) {
  if (const auto* e = std::get_if<NewInode>(&effect)) return "new " + id_text(e->inode);
  if (const auto* e = std::get_if<LinkName>(&effect)) return "link " + id_text(e->directory) + " " + id_text(e->inode);
  if (const auto* e = std::get_if<UnlinkName>(&effect)) return "unlink " + id_text(e->directory) + " " + id_text(e->inode);
  if (const auto* e = std::get_if<PutContent>(&effect))
    return "put " + id_text(e->inode) + " " + id_text(e->content) + " " + std::to_string(e->size);
  if (const auto* e = std::get_if<SetAttributes>(&effect))
    return "set " + id_text(e->inode) + " " + std::to_string(e->fields) + " " + std::to_string(e->values.mode);
  return "xattr " + id_text(std::get<SetXattr>(effect).inode);
}

class Simulation {
 public:
  Simulation(const SimulationOptions& options, std::string directory)
      : options_(options),
        directory_(std::move(directory)),
        dice_(options.seed * 2654435761u + 17),
        server_(directory_ + "/server", key_, clock_, options.seed) {}

  SimulationOutcome run() {
    calm_ = true;  // else a device may spend its days waiting for its first sight of the volume
    for (std::uint32_t i = 0; i < 2 + options_.seed % 2; ++i) add_device();
    calm_ = false;
    for (int i = 0; i < options_.steps; ++i) step();
    settle();
    for (const FeedEntry& entry : server_.feed()) {
      const Commit commit = decode_commit(entry.commit.payload).value();
      tell("commit " + id_text(commit.op));
      for (const Effect& effect : commit.effects) outcome_.history += "  " + words(effect) + "\n";
      ++outcome_.commits;
    }
    judge();
    outcome_.server = server_.counts();
    return std::move(outcome_);
  }

 private:
  struct Sim {
    std::unique_ptr<CrashDisk> disk;
    std::unique_ptr<SyncDevice> device;
    ServiceRemote* line = nullptr;      ///< the device's
    int lives = 0;
  };

  std::size_t below(std::size_t n) { return dice_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  std::string name() { return std::string(1, static_cast<char>('a' + below(4))); }
  /// A content like no other: inline, of one block, or sometimes of blocks that travel in several segments.
  std::string bytes() {
    const std::string end = std::to_string(++made_);
    if (!one_in(16)) return std::string(1 + below(4) * 3000, static_cast<char>('a' + below(26))) + end;
    std::string large(300'000 + below(300'000), '\0');
    std::mt19937_64 noise(static_cast<std::uint64_t>(made_));
    for (char& byte : large) byte = static_cast<char>(noise());
    return large + end;
  }
  void tell(const std::string& what) {
    outcome_.history += what + "\n";
    if (options_.tell) std::cerr << what << "\n";
  }

  void add_device() {
    Sim sim;
    const std::string number = std::to_string(devices_.size() + 1), where = directory_ + "/" + number + ".0";
    std::filesystem::create_directories(where);
    sim.disk = std::make_unique<CrashDisk>(where);
    const auto writer = static_cast<std::uint32_t>(devices_.size() + 1);
    const protocol::DevicePublic device = SyncDevice::public_of("device" + number, writer);
    server_.add_device(device, WriterId{writer});
    auto line = std::make_unique<ServiceRemote>(server_, key_.volume, device.id,
                                                [this](const ServiceRemote::Message& message) { return carry(message); });
    sim.line = line.get();
    sim.device = std::make_unique<SyncDevice>(key_, std::move(line), device.name, writer, where,
                                              DeviceWorld{sim.disk.get(), &clock_, true});
    devices_.push_back(std::move(sim));
  }

  Error lost() {
    ++outcome_.lost;
    return Error(Code::kTimedOut, "lost on the way");
  }

  /// What becomes of a message. Most faults meet commits, the rarest of them and those in which order matters.
  Result<Bytes> carry(const ServiceRemote::Message& message) {
    if (calm_) return message.deliver(message.body);
    const bool commit = message.call == "commit";
    const std::size_t fate = below(commit ? 100 : 200);
    if (fate < 8) return lost();
    if (fate < 16 && (commit || message.call == "pack")) {
      ++outcome_.delayed;
      late_.push_back(message);
      return lost();
    }
    if (fate < 24 && message.call == "pack") return damaged(message);
    if (commit && one_in(3)) overtake();
    auto answer = message.deliver(message.body);
    outcome_.refused += commit && !answer.ok() && answer.error().code() == Code::kConflict;
    if (fate < 26 && message.call != "writer") {
      ++outcome_.repeated;
      auto again = message.deliver(message.body);
      if (commit && answer.ok() && server_.up() && (!again.ok() || *answer != *again))
        broken_ = "a repeated commit was answered differently";
    }
    if (fate < (commit ? 40 : 32)) return lost();
    if (fate < 44 && message.call == "fetch" && answer.ok() && answer->size() > 100) {
      ++outcome_.damaged;
      answer->back() ^= 0x10;
    }
    return answer;
  }

  /// Another device's round while a commit is on its way: the commit meets a tree that it was not planned for.
  void overtake() {
    if (std::exchange(overtaking_, true)) return;
    ++outcome_.overtaken;
    Sim& other = devices_[below(devices_.size())];
    other.line->set_offline(false);
    if (&other != syncing_) sync(other);
    overtaking_ = false;
  }

  /// A flipped bit in the last segment, or a connection that breaks: the server keeps the segments that are whole.
  Result<Bytes> damaged(const ServiceRemote::Message& message) {
    ++outcome_.damaged;
    Bytes body = message.body;
    if (one_in(2)) {
      body.resize(below(body.size()));
      (void)message.deliver(body);
      return lost();
    }
    body.back() ^= 0x20;
    return message.deliver(body);
  }

  void step() {
    clock_.advance(std::chrono::milliseconds(10));
    if (!late_.empty() && one_in(4)) {
      const std::size_t which = below(late_.size());  // not the one that was sent first
      const ServiceRemote::Message late = late_[which];
      late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(which));
      tell("a late " + std::string(late.call) + (late.deliver(late.body).ok() ? " is taken" : " is refused"));
    }
    trouble_server();
    Sim& sim = devices_[below(devices_.size())];
    const std::size_t choice = below(100);
    if (choice < 2) return sim.line->set_offline(true);
    if (choice < 12) {
      sim.line->set_offline(false);
      return clock_.advance(std::chrono::seconds(2));
    }
    if (choice < 36) {
      syncing_ = &sim;
      sync(sim);
      syncing_ = nullptr;
      return;
    }
    if (choice < 40) return end(sim, choice - 36);
    try {
      use(*sim.device, choice);
    } catch (const std::runtime_error& e) {
      tell(sim.device->name() + " cannot: " + e.what());  // not here and offline
    }
  }

  /// It ends at once or in the midst of what comes, stays away for some steps, and often loses power soon after it is back:
  /// what the kernel kept for it through its end is not on the disk yet.
  void trouble_server() {
    using End = SimulatedServer::End;
    if (!server_.up()) {
      if (!one_in(3)) return;
      server_.start();
      tell("the server is back at " + std::to_string(server_.head()));
      if (one_in(3)) server_.end_after(End::kPowerCut, 1 + static_cast<int>(below(12)));
      return;
    }
    const std::size_t choice = below(100);
    if (choice == 0) return server_.keep_house();
    if (choice > 6) return;
    const End how = choice < 4 ? End::kKill : choice < 6 ? End::kPowerCut : End::kOrderly;
    const int after = one_in(4) ? 0 : 1 + static_cast<int>(below(60));
    tell("the server is to end: " + std::to_string(choice) + " " + std::to_string(after));
    server_.end_after(how, after);
  }

  void sync(Sim& sim) {
    const Status done = sim.device->engine().step();
    tell(sim.device->name() + " syncs: " + (done.ok() ? "ok" : std::string(name_of(done.error().code()))));
    clock_.advance(std::chrono::seconds(2));
  }

  /// 0, 1: power cut; 2: killed; 3: an orderly end.
  void end(Sim& sim, std::size_t how) {
    const std::string next = directory_ + "/" + sim.device->name().substr(6) + "." + std::to_string(++sim.lives);
    tell(sim.device->name() + (how < 2 ? " loses power" : how == 2 ? " is killed" : " restarts"));
    if (how == 3) {
      sim.device->stop();
      sim.disk->settle();
    } else {
      if (how < 2) ++outcome_.power_cuts;
      how < 2 ? sim.disk->cut_power(next) : sim.disk->kill(next);
      sim.device->abandon(next, how < 2);
    }
    sim.device->start();
  }

  /// The content that an operation is about to take away: its user has it before his eyes.
  void gone(SyncDevice& device, const std::string& path) { gone_.insert(device.content(path)); }

  void wrote(SyncDevice& device, const std::string& path, const std::string& content) {
    const OpId now = device.content(path);
    contents_[now] = content;
    if (!one_in(2)) return;
    device.fsync(path);
    fsynced_.insert(now);
    ++outcome_.fsynced;
    tell("  fsync " + id_text(now));
  }

  void use(SyncDevice& device, std::size_t choice) {
    std::vector<std::string> folders{""}, files, all;
    for (const auto& [path, is_folder] : device.paths()) {
      (is_folder ? folders : files).push_back(path);
      all.push_back(path);
    }
    const std::string folder = folders[below(folders.size())], fresh = folder.empty() ? name() : folder + "/" + name();
    const bool deep = std::count(fresh.begin(), fresh.end(), '/') >= 3;
    const std::string any = all.empty() ? "" : all[below(all.size())];
    const std::string file = files.empty() ? "" : files[below(files.size())];
    const std::string text = bytes();
    tell(device.name() + " use " + std::to_string(choice) + " " + file + " " + any + " " + fresh);
    if (choice < 52 || all.empty()) {
      if (deep || device.exists(fresh)) return;
      if (choice % 4 == 0) return void(device.make_directory(fresh));
      device.write(fresh, text);
      wrote(device, fresh, text);
    } else if (choice < 68 && !files.empty()) {
      gone(device, file);
      device.write(file, text);
      wrote(device, file, text);
    } else if (choice < 72 && !files.empty()) {
      std::string whole = device.read(file);   // a change of a part keeps the rest before its user's eyes
      gone(device, file);
      const std::size_t at = below(4000);
      device.write_at(file, at, "patch" + std::to_string(made_));
      wrote(device, file, device.read(file));
    } else if (choice < 79 && !files.empty()) {
      if (device.node(file).links == 1) gone(device, file);
      device.unlink(file);
    } else if (choice < 82 && folders.size() > 1) {
      device.remove_directory(folders[1 + below(folders.size() - 1)]);
    } else if (choice < 93) {
      if (any == fresh) return;
      const bool replaces = device.exists(fresh) && device.inode_of(fresh) != device.inode_of(any);
      if (replaces && device.node(fresh).links == 1) gone(device, fresh);
      device.rename(any, fresh);
    } else if (choice < 95 && !files.empty()) {
      if (!device.exists(fresh)) device.link(file, fresh);
    } else if (choice < 97 && !files.empty()) {
      device.set_xattr(any, "user." + name(), std::to_string(made_));
    } else {
      device.chmod(any, 0600 + static_cast<std::uint32_t>(below(64)));
    }
  }

  void settle() {
    calm_ = true;
    server_.disarm();
    server_.start();
    for (const auto& late : late_) (void)late.deliver(late.body);
    for (Sim& sim : devices_) sim.line->set_offline(false);
    for (int round = 0; round < 60; ++round) {
      bool quiet = true;
      for (Sim& sim : devices_) {
        clock_.advance(std::chrono::seconds(2));
        const Status done = sim.device->engine().step();
        if (!done.ok()) outcome_.wrong = sim.device->name() + ": " + done.error().to_string();
        quiet = quiet && done.ok();
      }
      for (Sim& sim : devices_)
        quiet = quiet && sim.device->store().pending().records == 0 &&
                sim.device->store().position().cursor.value == server_.head();
      if (!quiet) continue;
      outcome_.wrong.clear();
      return;
    }
    if (outcome_.wrong.empty()) outcome_.wrong = "the devices do not come to rest";
  }

  void judge() {
    if (outcome_.wrong.empty()) outcome_.wrong = broken_;
    if (!outcome_.wrong.empty()) return;
    add_device();  // a fresh clone
    SyncDevice& clone = *devices_.back().device;
    if (Status done = clone.engine().step(); !done.ok()) outcome_.wrong += " clone: " + done.error().to_string();
    std::map<OpId, std::string> known;
    for (const OpId& content : fsynced_) known[content] = contents_[content];
    server_.verify_history(known);
    const auto server = server_.tree();
    std::set<std::string> kept;
    for (const auto& [path, plain] : server) {
      kept.insert(plain.bytes);
      if (path.find("(conflict ") != std::string::npos) ++outcome_.conflicts;
    }
    for (Sim& sim : devices_) compare(*sim.device, server);
    const std::set<OpId> live = server_.live_contents();
    for (const OpId& content : fsynced_)
      if (!gone_.contains(content) && !live.contains(content) && !kept.contains(contents_[content]))
        outcome_.wrong += " lost: " + id_text(content);
  }

  void compare(SyncDevice& device, const std::map<std::string, FakeVolumeServer::Plain>& server) {
    std::string& wrong = outcome_.wrong;
    try {
      device.check();
      const auto here = device.tree();
      const auto facts = device.facts();
      for (const auto& [path, plain] : server) {
        const bool folder = plain.attributes.type == FileType::kDirectory;
        const std::string content = folder ? "dir" : plain.bytes;
        const std::string fact = SyncDevice::fact(plain.attributes, plain.links, plain.xattrs);
        if (!here.contains(path)) wrong += " " + device.name() + ": -" + path;
        else if (here.at(path) != content) wrong += " " + device.name() + ": !" + path;
        else if (facts.at(path) != fact)
          wrong += " " + device.name() + ": ~" + path + " " + facts.at(path) + " server " + fact;
      }
      for (const auto& [path, bytes] : here)
        if (!server.contains(path)) wrong += " " + device.name() + ": +" + path;
      for (InodeId id : device.store().dirty_inodes().value_or({})) wrong += " " + device.name() + ": dirty " + id_text(id);
    } catch (const std::runtime_error& e) {
      wrong += std::string(" ") + e.what();
    }
  }

  const SimulationOptions options_;
  const std::string directory_;
  std::mt19937_64 dice_;
  VirtualClock clock_;
  const crypto::VolumeKey key_ = test_volume_key(11);
  SimulatedServer server_;
  std::vector<Sim> devices_;
  std::deque<ServiceRemote::Message> late_;
  bool calm_ = false, overtaking_ = false;
  Sim* syncing_ = nullptr;             ///< whose round it is
  std::string broken_;
  int made_ = 0;
  std::map<OpId, std::string> contents_;
  std::set<OpId> fsynced_, gone_;
  SimulationOutcome outcome_;
};

}  // namespace

SimulationOutcome simulate(const SimulationOptions& options, const std::string& directory) {
  try {
    return Simulation(options, directory).run();
  } catch (const std::exception& e) {
    SimulationOutcome outcome;
    outcome.wrong = std::string("ended by: ") + e.what();
    return outcome;
  }
}

}  // namespace skymoor::client::model
