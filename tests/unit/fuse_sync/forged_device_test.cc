// A server that names a device of its own as one of the account's, or signs in the name of one that is: it does not hold the
// volume's key, so that every device refuses what it made, shows nothing of it and sends nothing on top of it.
// SKYMOOR_HOSTILE_ROUNDS: how often each (100).
#include "shared/crypto/hash.h"
#include "tests/support/seeds.h"
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

class ForgedDeviceTest : public SyncEngineTest {
 protected:
  using Tree = std::map<std::string, std::string>;
  void SetUp() override {
    author_->make_directory("d");
    for (int i = 0; i < 4; ++i) {
      author_->write("f" + std::to_string(i), noise(5000, static_cast<std::uint64_t>(i)));
      author_->write("d/g" + std::to_string(i), std::to_string(i));
      author_->set_xattr("f" + std::to_string(i), "user.kept", "yes");
      ASSERT_TRUE(author_->engine().step().ok());
    }
    author_->write("f0", noise(6000, 9));
    ASSERT_TRUE(author_->engine().step().ok());
    volume_.server.add_device(forger_);
  }
  std::unique_ptr<SyncDevice> make(const std::string& name, std::uint32_t writer) {
    return std::make_unique<SyncDevice>(volume_, name, writer, directory_ + "/" + name, DeviceWorld{.stepped = true});
  }
  std::size_t below(std::size_t n) { return dice_() % n; }
  std::string some_file() { return "f" + std::to_string(below(4)); }
  Hash256 some_hash() {
    Hash256 hash;
    for (auto& byte : hash.value) byte = static_cast<std::uint8_t>(dice_());
    return hash;
  }
  /// A commit that the author made.
  Commit true_one() {
    const auto feed = volume_.server.feed();
    return decode_commit(feed[below(feed.size())].commit.payload).value();
  }

  /// What it is after: a deletion, other modes and owners, a new file, an older content, an xattr less.
  std::vector<Effect> wish() {
    const std::string name = some_file();
    const InodeId inode = author_->inode_of(name);
    const NameToken token = volume_.cipher.name_token(kRootInode, name);
    switch (below(5)) {
      case 0: return {UnlinkName{kRootInode, token, inode}};
      case 1: {
        Attributes values;
        values.mode = 04755 ^ static_cast<std::uint32_t>(below(0777));
        return {SetAttributes{inode, kFieldMode | kFieldUid | kFieldGid, values}};
      }
      case 2: {
        NewInode made{make_inode_id(WriterId{77}, 1 + below(1000)), {}, {}};
        made.attributes.type = FileType::kFile;
        made.attributes.mode = 0644;
        // Even with a name that the server could only have from somebody with the key.
        const std::string planted = "planted" + std::to_string(below(100));
        return {made, LinkName{kRootInode, volume_.cipher.name_token(kRootInode, planted),
                               volume_.cipher.seal_name(kRootInode, made.inode, planted), made.inode}};
      }
      case 3:
        for (const FeedEntry& entry : volume_.server.feed())
          for (const Effect& effect : decode_commit(entry.commit.payload).value().effects)
            if (const auto* put = std::get_if<PutContent>(&effect); put && put->inode == author_->inode_of("f0")) return {*put};
        [[fallthrough]];
      default: return {SetXattr{inode, volume_.cipher.xattr_token(inode, "user.kept"), {}}};
    }
  }

  /// Instead of a proof: none, zeros, noise, a true commit's, and those of other keys.
  Bytes with_some_proof(Commit commit) {
    const std::size_t kind = below(6);
    if (kind == 0) commit.key_proof.reset();
    else commit.key_proof.emplace();
    if (kind == 2) commit.key_proof = some_hash();
    if (kind == 3) commit.key_proof = true_one().key_proof;
    Bytes payload = encode_commit(commit);
    if (kind < 4) return payload;
    crypto::VolumeKey key = volume_.key.clone();
    if (kind == 4) key.epoch = 2;
    else key = test_volume_key(static_cast<std::uint8_t>(100 + below(100)));
    const Hash256 proof = crypto::VolumeCipher(key).commit_proof(proven_part(payload));
    std::copy(proof.value.begin(), proof.value.end(), payload.end() - proof.value.size());
    return payload;
  }

  /// The change that follows the server's head.
  FeedEntry forge(const DeviceId& device) {
    const auto feed = volume_.server.feed();
    Commit commit;
    commit.volume = volume_.key.volume;
    commit.epoch = volume_.server.epoch();
    commit.device = device;
    commit.op = below(2) ? OpId{WriterId{77}, 1 + below(1000)} : OpId{WriterId{1}, 1000000 + below(1000)};
    commit.base = feed.back().sequence;
    commit.base_hash = feed.back().hash;
    commit.effects = wish();
    SignedCommit made{with_some_proof(std::move(commit)), {}};
    // A true commit's body with its own proof, in the forger's name, or with another effect.
    if (below(8) == 0) {
      Commit changed = true_one();
      changed.device = device;
      if (below(2)) changed.effects = wish();
      made.payload = encode_commit(changed);
    }
    made.signature = crypto::ed25519_sign(forgers_key_, commit_signing_input(made.payload));
    FeedEntry entry{Sequence{feed.size() + 1}, {}, made};
    entry.hash = crypto::sha256({feed.back().hash.view(), made.payload, made.signature});
    return entry;
  }
  /// A true change, as it was, once more at the end of the history.
  FeedEntry repeated() {
    const auto feed = volume_.server.feed();
    FeedEntry entry{Sequence{feed.size() + 1}, {}, feed[below(feed.size())].commit};
    entry.hash = crypto::sha256({feed.back().hash.view(), entry.commit.payload, entry.commit.signature});
    return entry;
  }
  /// The server shows it to whoever is at its head, and the forger's key as that of `device`.
  FakeVolumeRemote::Tampering showing(const FeedEntry& entry, const DeviceId& device) {
    return {.feed =
                [entry](FeedPage& page) {
                  page.head = entry.sequence;
                  page.entries.push_back(entry);
                },
            .devices =
                [this, device](std::vector<protocol::DevicePublic>& devices) {
                  for (auto& known : devices)
                    if (known.id == device) known.signing_key = to_bytes(forgers_key_.public_key);
                }};
  }
  static bool names_it(const std::string& reason) {
    for (const char* name : {"not made with the volume's key", "older version of skymoor", "it is in the history already",
                             "is not signed by the device it names"})
      if (reason.find(name) != reason.npos) {
        ++refusals_[name];
        return true;
      }
    return false;
  }
  void TearDown() override {
    for (const auto& [reason, times] : refusals_) std::cout << times << " x " << reason << "\n";
    refusals_.clear();
    SyncEngineTest::TearDown();
  }
  /// Who it says it is: a device of the server's own, or the author.
  DeviceId somebody() { return below(2) ? forger_.id : SyncDevice::public_of("author", 1).id; }

  void expect_refused(SyncDevice& victim, const Tree& tree, const Tree& facts) {
    const std::size_t commits = volume_.server.commits();
    const std::uint64_t packs = victim.remote().packs;
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(victim.engine().step().ok());
    const auto status = victim.engine().status();
    ASSERT_TRUE(status.stopped);
    ASSERT_TRUE(names_it(status.reason)) << status.reason;
    ASSERT_TRUE(victim.tree() == tree);
    ASSERT_TRUE(victim.facts() == facts);
    ASSERT_EQ(volume_.server.commits(), commits);
    ASSERT_EQ(victim.remote().packs, packs);
  }

  static inline std::map<std::string, int> refusals_;
  const std::uint64_t rounds_ = skymoor::testing::number_from("SKYMOOR_HOSTILE_ROUNDS", 100);
  std::mt19937_64 dice_{skymoor::testing::first_seed() + 3};
  const crypto::KeyPair forgers_key_ = crypto::ed25519_from_seed(Bytes(32, 99));
  const protocol::DevicePublic forger_{DeviceId{{9, 9, 9}}, "phone", to_bytes(forgers_key_.public_key), Bytes(32)};
  std::unique_ptr<SyncDevice> author_ = make("author", 1);
};

TEST_F(ForgedDeviceTest, ItsChangesAreRefusedAndNotShown) {
  auto victim = make("victim", 2);
  victim->tree();
  for (std::uint64_t round = 0; round < rounds_; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    author_->write("d/new", std::to_string(round));
    ASSERT_TRUE(author_->engine().step().ok());
    ASSERT_TRUE(victim->engine().step().ok());
    const std::string mine = "mine" + std::to_string(round);
    if (below(2)) victim->write(mine, noise(3000, round));   // waits to be sent
    const Tree tree = victim->tree(), facts = victim->facts();
    const DeviceId device = somebody();
    victim->remote().tamper(showing(forge(device), device));
    // The author's key is remembered while the process lives.
    if (below(2)) {
      victim->stop();
      victim->start();
    }
    ASSERT_NO_FATAL_FAILURE(expect_refused(*victim, tree, facts));
    // Nor after it starts anew.
    victim->stop();
    victim->start();
    ASSERT_NO_FATAL_FAILURE(expect_refused(*victim, tree, facts));
    victim->remote().tamper({});
    victim->stop();
    victim->start();
    ASSERT_TRUE(victim->engine().step().ok()) << victim->engine().status().reason;
    ASSERT_TRUE(author_->engine().step().ok());
    ASSERT_TRUE(victim->tree() == author_->tree());
  }
  victim->check();
}

TEST_F(ForgedDeviceTest, AFreshDeviceRefusesThemToo) {
  const Tree tree = author_->tree(), facts = author_->facts();
  for (std::uint64_t round = 0; round < rounds_; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    auto fresh = make("fresh" + std::to_string(round), 2);
    const bool looked = below(2);
    if (looked) fresh->tree();
    const DeviceId device = somebody();
    fresh->remote().tamper(showing(forge(device), device));
    EXPECT_FALSE(fresh->engine().step().ok());
    const auto status = fresh->engine().status();
    ASSERT_TRUE(status.stopped && names_it(status.reason)) << status.reason;
    if (looked) {
      ASSERT_TRUE(fresh->tree() == tree);
      ASSERT_TRUE(fresh->facts() == facts);
    } else {
      EXPECT_THROW(fresh->tree(), std::runtime_error);
    }
    fresh->remote().tamper({});
    fresh->stop();
    fresh->start();
    ASSERT_TRUE(fresh->tree() == tree);
    ASSERT_TRUE(fresh->facts() == facts);
  }
}

// A new history, as after a restore from a backup, is one more way to show a forged change.
TEST_F(ForgedDeviceTest, InAHistoryThatWasPutBackToo) {
  auto victim = make("victim", 2);
  victim->tree();
  for (std::uint64_t round = 0; round < rounds_; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const auto backup = volume_.server.back_up();
    author_->write("later", noise(2000, round));
    ASSERT_TRUE(author_->engine().step().ok());
    ASSERT_TRUE(victim->engine().step().ok());
    const Tree tree = victim->tree(), facts = victim->facts();
    volume_.server.put_back(*backup);
    const DeviceId device = somebody();
    victim->remote().tamper(showing(forge(device), device));
    ASSERT_NO_FATAL_FAILURE(expect_refused(*victim, tree, facts));
    victim->remote().tamper({});
    victim->stop();
    victim->start();
    ASSERT_TRUE(victim->engine().step().ok()) << victim->engine().status().reason;
    ASSERT_TRUE(victim->tree() == tree);
    ASSERT_TRUE(author_->engine().step().ok()) << author_->engine().status().reason;
    ASSERT_TRUE(author_->tree() == tree);
  }
}

// Made by a true device, and true when it was new.
TEST_F(ForgedDeviceTest, AnOldChangeShownOnceMoreIsRefused) {
  auto victim = make("victim", 2);
  victim->tree();
  for (std::uint64_t round = 0; round < rounds_; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    switch (below(3)) {
      case 0: author_->chmod(some_file(), static_cast<std::uint32_t>(below(0777))); break;
      case 1: author_->write("n" + std::to_string(round), "x"); break;
      default: author_->rename("f0", "f9"), author_->rename("f9", "f0");
    }
    if (round > 0 && below(2)) author_->unlink("d/g0"), author_->write("d/g0", std::to_string(round));
    ASSERT_TRUE(author_->engine().step().ok());
    if (below(3) > 0) {
      ASSERT_TRUE(victim->engine().step().ok());
    }
    if (below(4) == 0) victim = nullptr, victim = make("victim" + std::to_string(round), 2);
    const bool looked = below(4) > 0;
    if (looked) {
      ASSERT_TRUE(victim->engine().step().ok());
    }
    const Tree tree = author_->tree(), facts = author_->facts();
    if (looked) {
      ASSERT_TRUE(victim->tree() == tree);
    }
    victim->remote().tamper(showing(repeated(), forger_.id));
    if (below(2)) {
      victim->stop();
      victim->start();
    }
    if (looked) {
      ASSERT_NO_FATAL_FAILURE(expect_refused(*victim, tree, facts));
    } else {
      EXPECT_FALSE(victim->engine().step().ok());
      ASSERT_TRUE(names_it(victim->engine().status().reason)) << victim->engine().status().reason;
    }
    victim->remote().tamper({});
    victim->stop();
    victim->start();
    ASSERT_TRUE(victim->engine().step().ok()) << victim->engine().status().reason;
    ASSERT_TRUE(victim->tree() == tree);
  }
}

// What a device that holds the key makes is taken, though nobody has heard of it before.
TEST_F(ForgedDeviceTest, ATrueNewDeviceIsBelieved) {
  auto victim = make("victim", 2);
  victim->tree();
  auto phone = make("phone", 3);
  phone->write("photo", "x");
  phone->unlink("f1");
  ASSERT_TRUE(phone->engine().step().ok());
  ASSERT_TRUE(victim->engine().step().ok()) << victim->engine().status().reason;
  EXPECT_TRUE(victim->tree() == phone->tree());
}

}  // namespace
}  // namespace skymoor::client
