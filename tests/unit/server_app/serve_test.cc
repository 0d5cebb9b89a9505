#include <sys/socket.h>
#include <sys/un.h>

#include <nlohmann/json.hpp>

#include "server_process.h"

namespace skymoor::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Serve : public ServerProcessTest {};

unsigned mode_of(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

TEST_F(Serve, AnswersOverTlsAndStopsOnSigterm) {
  start();
  EXPECT_EQ(client().call("GET", "/healthz").status, 200);
  EXPECT_EQ(end(SIGTERM), 0);
  EXPECT_THAT(text_of(log_), HasSubstr("server.started"));
  EXPECT_THAT(text_of(log_), HasSubstr("server.stopped"));
}

TEST_F(Serve, KeepsItsFilesToItself) {
  ::mkdir(data_.c_str(), 0755);
  start();
  EXPECT_EQ(mode_of(data_), 0700u);
  for (const char* file :
       {"/tls.key", "/tls.crt", "/keyservice.secret", "/token.secret", "/metadata.db", "/server.toml"})
    EXPECT_EQ(mode_of(data_ + file), 0600u) << file;
  EXPECT_EQ(mode_of(data_ + "/blocks"), 0700u);
}

TEST_F(Serve, ASecondServerOnTheSameDataRefusesClearly) {
  start();
  auto second = run({"serve", "--data", data_, "--listen", "127.0.0.1:0"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.errors, HasSubstr("another skymoord uses " + data_));
  EXPECT_THAT(second.errors, HasSubstr("pid " + std::to_string(pid_)));
  EXPECT_EQ(client().call("GET", "/healthz").status, 200);
}

TEST_F(Serve, APortInUseIsAClearError) {
  start();
  auto second = run({"serve", "--data", directory_ / "other", "--listen", "127.0.0.1:" + std::to_string(port_)});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.errors, HasSubstr("listen on port " + std::to_string(port_) + ": address already in use"));
}

TEST_F(Serve, StopsWithAnEventStreamOpen) {
  start();
  ApiClient ada = client();
  ada.sign_up("ada", "secret words");
  VolumeId volume = ada.create_volume();
  RawHttp stream(port_, RawHttp::Security::kTls);
  stream.request("GET", "/api/events?volume=" + volume.hex(), "", "Authorization: Bearer " + ada.token + "\r\n");
  ASSERT_EQ(stream.head()->status, 200);
  auto start_time = std::chrono::steady_clock::now();
  ::kill(pid_, SIGTERM);
  EXPECT_TRUE(stream.ends_within(std::chrono::seconds(5)));
  EXPECT_EQ(wait(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, std::chrono::seconds(6));
}

TEST_F(Serve, ASecondSignalEndsItAtOnce) {
  start();
  RawHttp stalled(port_, RawHttp::Security::kTls);
  stalled.send("POST /api/auth/refresh HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nstall");
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  ::kill(pid_, SIGTERM);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(::waitpid(pid_, nullptr, WNOHANG), 0);  // it waits for the request
  auto start_time = std::chrono::steady_clock::now();
  EXPECT_EQ(end(SIGTERM), 1);
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, std::chrono::seconds(3));
}

TEST_F(Serve, TellsTheServiceManager) {
  std::string path = directory_ / "notify";
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  start();
  ::unsetenv("NOTIFY_SOCKET");
  auto receive = [&] {
    char text[64];
    auto size = ::recv(socket.get(), text, sizeof text, 0);
    return std::string(text, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  };
  EXPECT_EQ(receive(), "READY=1");
  EXPECT_EQ(end(SIGINT), 0);
  EXPECT_EQ(receive(), "STOPPING=1");
}

TEST_F(Serve, LogsJsonLinesWithoutSecrets) {
  start({"--log-json", "--log-level", "debug"});
  ApiClient ada = client();
  ada.sign_up("ada", "a very secret password");
  ada.log_in("ada", "a wrong password");
  ada.log_in("ada", "a very secret password");
  std::string refresh = ada.session.refresh_token, access = ada.token;
  ada.call("POST", "/api/auth/refresh", encode(protocol::RefreshRequest{refresh}));
  EXPECT_EQ(end(SIGTERM), 0);
  std::string log = text_of(log_);
  for (const std::string& secret : {std::string("secret password"), std::string("wrong password"), refresh, access})
    EXPECT_THAT(log, Not(HasSubstr(secret)));
  EXPECT_THAT(log, HasSubstr("request.done"));
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);)
    EXPECT_FALSE(nlohmann::json::parse(line, nullptr, false).is_discarded()) << line;
}

TEST_F(Serve, SignupCanBeClosed) {
  start({"--no-allow-signup"});
  ApiClient ada = client();
  auto refused = ada.call("POST", "/api/auth/register/start", encode(protocol::RegisterStart{"ada", Bytes(33, 2)}));
  EXPECT_EQ(refused.status, 403);
}

TEST_F(Serve, PlainHttpWhenTlsIsOff) {
  start({"--tls", "off"});
  EXPECT_EQ(ApiClient(port_, RawHttp::Security::kPlain).call("GET", "/healthz").status, 200);
  EXPECT_FALSE(std::filesystem::exists(data_ + "/tls.key"));
}

}  // namespace
}  // namespace skymoor::server
