#include <nlohmann/json.hpp>

#include "server_process.h"

namespace skymoor::server {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class Admin : public ServerProcessTest {
 protected:
  CommandOutcome admin(std::vector<std::string> words) {
    words.insert(words.begin(), "admin");
    words.insert(words.end(), {"--data", data_});
    return run(words);
  }
};

TEST_F(Admin, ListsUsersAndVolumesWhileTheServerRuns) {
  start();
  ApiClient ada = client(), bob = client();
  ada.sign_up("ada", "words of ada");
  bob.sign_up("bob", "words of bob");
  VolumeId volume = bob.create_volume();
  auto listed = admin({"user", "list", "--json"});
  EXPECT_EQ(listed.exit_code, 0) << listed.errors;
  Json users = Json::parse(listed.output).at("users");
  ASSERT_EQ(users.size(), 2u);
  EXPECT_EQ(users[0].at("name"), "ada");
  EXPECT_EQ(users[1].at("volumes"), 1);
  EXPECT_EQ(users[1].at("disabled"), false);
  Json volumes = Json::parse(admin({"volume", "list", "--json"}).output).at("volumes");
  ASSERT_EQ(volumes.size(), 1u);
  EXPECT_EQ(volumes[0].at("id"), volume.hex());
  EXPECT_EQ(volumes[0].at("owner"), "bob");
  EXPECT_THAT(admin({"user", "ls"}).output, HasSubstr("ada   false  false"));
  EXPECT_THAT(admin({"volume", "ls"}).output, HasSubstr(volume.hex()));
}

TEST_F(Admin, DisablesAndEnablesUsersOfARunningServer) {
  start();
  ApiClient ada = client();
  ada.sign_up("ada", "words of ada");
  EXPECT_EQ(admin({"user", "disable", "ada"}).exit_code, 0);
  EXPECT_EQ(ada.call("GET", "/api/volumes").status, 401);
  EXPECT_EQ(ada.log_in("ada", "words of ada").status, 403);
  EXPECT_EQ(admin({"user", "enable", "ADA"}).exit_code, 0);
  EXPECT_EQ(ada.log_in("ada", "words of ada").status, 200);
}

TEST_F(Admin, GivesAndTakesAdministration) {
  start();
  ApiClient ada = client();
  EXPECT_FALSE(ada.sign_up("ada", "words of ada").admin);
  EXPECT_EQ(admin({"user", "admin", "ada"}).exit_code, 0);
  ada.log_in("ada", "words of ada");
  EXPECT_TRUE(ada.session.admin);
  EXPECT_EQ(admin({"user", "admin", "ada", "--revoke"}).exit_code, 0);
  ada.log_in("ada", "words of ada");
  EXPECT_FALSE(ada.session.admin);
}

TEST_F(Admin, SaysWhatIsWrong) {
  auto nowhere = admin({"user", "list"});
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_THAT(nowhere.errors, HasSubstr("no server data in " + data_));
  start();
  auto nobody = admin({"user", "disable", "nobody"});
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_THAT(nobody.errors, HasSubstr("no user is called 'nobody'"));
  EXPECT_EQ(admin({"user", "disable", "a b"}).exit_code, 2);
  EXPECT_EQ(admin({"user", "disable"}).exit_code, 2);
  EXPECT_EQ(admin({"user"}).exit_code, 2);
}

}  // namespace
}  // namespace skymoor::server
