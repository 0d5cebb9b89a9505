#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "fuse/app/state/account_file.h"
#include "fuse/app/state/volume_file.h"
#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

class StateFilesTest : public ::testing::Test {
 protected:
  Account make_account() {
    Account account = make_device("laptop", random_);
    account.server_url = "https://cloud.example.org";
    account.trust = {"sha256//pin", "sha256:fingerprint"};
    random_.fill(account.user.value);
    account.user_name = "ada";
    account.user_key = crypto::UserKey::generate(random_);
    return account;
  }
  LocalVolume make_volume(const std::string& label) {
    LocalVolume volume;
    random_.fill(volume.id.value);
    volume.label = label;
    volume.role = protocol::Role::kWriter;
    volume.writer = WriterId{77};
    volume.key = crypto::VolumeKey::generate(volume.id, random_);
    volume.free_bytes = 5;
    return volume;
  }
  void damage(const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out);
    file.seekp(10);
    file << "\xff\xff";
  }
  static unsigned mode_of(const std::string& path) {
    struct stat st = {};
    EXPECT_EQ(::stat(path.c_str(), &st), 0) << path;
    return st.st_mode & 0777;
  }

  testing::TempDir directory_;
  StatePaths paths_{directory_ / "state", directory_ / "cache"};
  PosixDisk disk_;
  SystemRandom random_;
};

TEST_F(StateFilesTest, AccountSurvivesARoundTripAndIsForTheUserAlone) {
  ASSERT_TRUE(make_private_directory(disk_, paths_.state).ok());
  const Account account = make_account();
  ASSERT_TRUE(save_account(disk_, paths_.account_file(), account).ok());
  EXPECT_EQ(mode_of(paths_.account_file()), 0600u);
  EXPECT_EQ(mode_of(paths_.state), 0700u);
  auto loaded = load_account(disk_, paths_.account_file());
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_EQ(loaded->server_url, account.server_url);
  EXPECT_EQ(loaded->trust.pin, account.trust.pin);
  EXPECT_EQ(loaded->user, account.user);
  EXPECT_EQ(loaded->device, account.device);
  EXPECT_EQ(loaded->device_name, "laptop");
  EXPECT_EQ(to_bytes(loaded->user_key.seed.view()), to_bytes(account.user_key.seed.view()));
  EXPECT_EQ(loaded->device_public().signing_key, account.device_public().signing_key);
  EXPECT_EQ(loaded->device_public().sealing_key, account.device_public().sealing_key);
}

TEST_F(StateFilesTest, NoAccountIsNotLoggedIn) {
  auto loaded = load_account(disk_, paths_.account_file());
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code(), Code::kUnauthenticated);
  EXPECT_NE(loaded.error().message().find("skymoor login"), std::string::npos);
}

TEST_F(StateFilesTest, ADamagedAccountIsNamed) {
  ASSERT_TRUE(make_private_directory(disk_, paths_.state).ok());
  ASSERT_TRUE(save_account(disk_, paths_.account_file(), make_account()).ok());
  damage(paths_.account_file());
  auto loaded = load_account(disk_, paths_.account_file());
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code(), Code::kCorrupt);
  EXPECT_NE(loaded.error().message().find(paths_.account_file()), std::string::npos);
}

TEST_F(StateFilesTest, AFileOfANewerVersionOrAnotherKindIsRefused) {
  ASSERT_TRUE(make_private_directory(disk_, paths_.state).ok());
  std::ofstream(paths_.account_file()) << R"({"format":"skymoor-account","version":2})";
  EXPECT_NE(load_account(disk_, paths_.account_file()).error().message().find("newer"), std::string::npos);
  std::ofstream(paths_.account_file()) << R"({"format":"skymoor-volume","version":1})";
  EXPECT_EQ(load_account(disk_, paths_.account_file()).error().code(), Code::kCorrupt);
}

TEST_F(StateFilesTest, VolumesAreFoundByLabelAndId) {
  const LocalVolume home = make_volume("home"), photos = make_volume("photos");
  ASSERT_TRUE(save_volume(disk_, paths_, home).ok());
  ASSERT_TRUE(save_volume(disk_, paths_, photos).ok());
  EXPECT_EQ(mode_of(paths_.volume_file(home.id)), 0600u);
  EXPECT_EQ(mode_of(paths_.volume(home.id)), 0700u);
  auto found = find_local_volume(disk_, paths_, "photos");
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found->id, photos.id);
  EXPECT_EQ(found->writer, WriterId{77});
  EXPECT_EQ(found->role, protocol::Role::kWriter);
  EXPECT_EQ(found->free_bytes, 5u);
  EXPECT_EQ(to_bytes(found->key.seed.view()), to_bytes(photos.key.seed.view()));
  EXPECT_EQ(find_local_volume(disk_, paths_, home.id.hex())->label, "home");
  EXPECT_EQ(find_local_volume(disk_, paths_, "other").error().code(), Code::kNotFound);
}

TEST_F(StateFilesTest, TwoVolumesOfOneNameMustBeToldApart) {
  const LocalVolume one = make_volume("home"), two = make_volume("home");
  ASSERT_TRUE(save_volume(disk_, paths_, one).ok());
  ASSERT_TRUE(save_volume(disk_, paths_, two).ok());
  auto found = find_local_volume(disk_, paths_, "home");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), Code::kInvalidArgument);
  EXPECT_NE(found.error().message().find(one.id.hex()), std::string::npos);
  EXPECT_EQ(find_local_volume(disk_, paths_, two.id.hex())->id, two.id);
}

TEST_F(StateFilesTest, ADamagedVolumeFileIsNotTakenForAnUnknownVolume) {
  const LocalVolume home = make_volume("home");
  ASSERT_TRUE(save_volume(disk_, paths_, home).ok());
  damage(paths_.volume_file(home.id));
  auto found = find_local_volume(disk_, paths_, "home");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), Code::kCorrupt);
  EXPECT_NE(found.error().message().find(paths_.volume_file(home.id)), std::string::npos);
}

}  // namespace
}  // namespace skymoor::client
