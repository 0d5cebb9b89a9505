#include "server_process.h"
#include "shared/crypto/hash.h"

namespace skymoor::server {
namespace {

using ::testing::HasSubstr;
using testing_support::new_file;

/// What a server acknowledged before it ended, in either way, is there when it comes back.
class Restart : public ServerProcessTest, public ::testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(By, Restart, ::testing::Values(SIGTERM, SIGKILL));

TEST_P(Restart, EverythingAcknowledgedIsStillThere) {
  start();
  std::string fingerprint = run({"fingerprint", "--data", data_}).output;
  ApiClient ada = client();
  ada.sign_up("ada", "secret words");
  VolumeId volume = ada.create_volume();
  WriterId writer = ada.lease_writer(volume);
  Bytes commit = ada.make_commit(volume, {writer, 1}, new_file(make_inode_id(writer, 1), 1));
  auto reply = ApiClient::decoded<protocol::CommitReply>(ada.send_commit(volume, commit));
  Bytes sealed(300'000, 0x5a);
  BlockId block;
  block.value = crypto::sha256(sealed).value;
  block::PackWriter pack;
  pack.add_block(block, sealed);
  ASSERT_EQ(ada.call("POST", "/api/chunk/pack?volume=" + volume.hex(), pack.take()).status, 200);

  EXPECT_EQ(end(GetParam()), GetParam() == SIGTERM ? 0 : -SIGKILL);
  start();
  EXPECT_EQ(run({"fingerprint", "--data", data_}).output, fingerprint);
  ApiClient again(port_, RawHttp::Security::kTls);
  again.token = ada.token;
  EXPECT_EQ(again.volume_info(volume).head, reply.sequence);
  EXPECT_EQ(again.volume_info(volume).head_hash, reply.hash);
  auto repeated = ApiClient::decoded<protocol::CommitReply>(again.send_commit(volume, commit));
  EXPECT_EQ(repeated.hash, reply.hash);
  auto directory =
      decode_directory_page(as_bytes(again.call("GET", "/api/volumes/" + volume.hex() + "/directories/1").body));
  ASSERT_TRUE(directory.ok());
  EXPECT_EQ(directory->entries.size(), 1u);
  EXPECT_TRUE(to_bytes(again.call("GET", "/api/chunk/" + volume.hex() + "/" + block.hex()).body) == sealed);
  EXPECT_NE(again.lease_writer(volume), writer);
  EXPECT_EQ(client().log_in("ada", "secret words").status, 200);
  EXPECT_EQ(client().log_in("ada", "other words").status, 401);
  EXPECT_EQ(end(SIGTERM), 0);
  EXPECT_THAT(text_of(log_), ::testing::Not(HasSubstr(" error ")));
}

class Restarted : public ServerProcessTest {};

TEST_F(Restarted, ADeviceThatLostARenewedLoginAsksAgain) {
  start();
  ApiClient ada = client();
  ada.sign_up("ada", "secret words");
  const std::string renewal = encode(protocol::RefreshRequest{ada.session.refresh_token});
  ASSERT_EQ(ada.call("POST", "/api/auth/refresh", renewal).status, 200);  // and the device is killed before it is stored
  EXPECT_EQ(end(SIGKILL), -SIGKILL);
  start();
  ApiClient again(port_, RawHttp::Security::kTls);
  const auto answer = again.call("POST", "/api/auth/refresh", renewal);
  ASSERT_EQ(answer.status, 200);
  again.token = ApiClient::decoded<protocol::Session>(answer).access_token;
  EXPECT_EQ(again.call("GET", "/api/volumes").status, 200);
}

TEST_F(Restarted, WhatLoginsAreBoundToCannotBeChanged) {
  start({"--server-name", "first.example"});
  EXPECT_EQ(end(SIGTERM), 0);
  auto renamed = run({"serve", "--data", data_, "--listen", "127.0.0.1:0", "--server-name", "second.example"});
  EXPECT_EQ(renamed.exit_code, 2);
  EXPECT_THAT(renamed.errors, HasSubstr("server-name was 'first.example'"));
  auto cheaper = run({"serve", "--data", data_, "--listen", "127.0.0.1:0", "--scrypt-log-n", "5"});
  EXPECT_EQ(cheaper.exit_code, 2);
  EXPECT_THAT(cheaper.errors, HasSubstr("scrypt-log-n was 4"));
  start();  // without the name: as before
  EXPECT_THAT(client().call("POST", "/api/auth/parameters", R"({"user":"ada"})").body, HasSubstr("first.example"));
}

TEST_F(Restarted, ALostSecretStopsTheServerInsteadOfLockingUsersOut) {
  start();
  client().sign_up("ada", "secret words");
  EXPECT_EQ(end(SIGTERM), 0);
  std::filesystem::remove(data_ + "/keyservice.secret");
  auto refused = run({"serve", "--data", data_, "--listen", "127.0.0.1:0"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.errors, HasSubstr("keyservice.secret"));
}

TEST_F(Restarted, WhatIsNotWholeIsNotBegunAnew) {
  start();
  ApiClient ada = client();
  ada.sign_up("ada", "secret words");
  const VolumeId volume = ada.create_volume();
  Bytes sealed(3000, 0x5a);
  BlockId block;
  block.value = crypto::sha256(sealed).value;
  block::PackWriter pack;
  pack.add_block(block, sealed);
  ASSERT_EQ(ada.call("POST", "/api/chunk/pack?volume=" + volume.hex(), pack.take()).status, 200);
  EXPECT_EQ(end(SIGKILL), -SIGKILL);   // the log of the database stays
  ASSERT_GT(std::filesystem::file_size(data_ + "/metadata.db-wal"), 0u);
  start();
  EXPECT_EQ(end(SIGKILL), -SIGKILL);

  const std::string aside = directory_ / "aside";
  auto refused_without = [&](const std::string& what, bool leave_empty) {
    const std::string at = data_ + "/" + what;
    const bool folder = std::filesystem::is_directory(at);
    std::filesystem::rename(at, aside);
    if (leave_empty && folder) std::filesystem::create_directory(at);
    if (leave_empty && !folder) std::ofstream(at).flush();
    const std::string log = text_of(data_ + "/metadata.db-wal");
    auto refused = run({"serve", "--data", data_, "--listen", "127.0.0.1:0"});
    EXPECT_EQ(refused.exit_code, 1) << what;
    EXPECT_THAT(refused.errors, HasSubstr(data_ + "/" + what));
    if (what != "blocks") {
      EXPECT_EQ(text_of(data_ + "/metadata.db-wal"), log);
    }
    std::filesystem::remove_all(at);
    std::filesystem::rename(aside, at);
  };
  for (bool leave_empty : {false, true}) {
    refused_without("metadata.db", leave_empty);
    refused_without("blocks", leave_empty);
  }
  refused_without("server.toml", false);
  start();
  ApiClient again(port_, RawHttp::Security::kTls);
  again.token = ada.token;
  EXPECT_TRUE(to_bytes(again.call("GET", "/api/chunk/" + volume.hex() + "/" + block.hex()).body) == sealed);
  EXPECT_EQ(end(SIGTERM), 0);
}

}  // namespace
}  // namespace skymoor::server
