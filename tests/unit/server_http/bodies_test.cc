#include "server_fixture.h"

namespace skymoor::server {
namespace {

std::string pattern(std::size_t size) {
  std::string text(size, 0);
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

class Bodies : public HttpServerTest {};

class BodiesOf : public Bodies, public testing::WithParamInterface<Security> {
 protected:
  void SetUp() override {
    auto with = options();
    if (GetParam() == Security::kTls) with.tls = identity();
    open(std::move(with));
  }
};
INSTANTIATE_TEST_SUITE_P(All, BodiesOf, testing::Values(Security::kPlain, Security::kTls));

TEST_P(BodiesOf, EightMebibytesBothWays) {
  RawHttp client = connect();
  std::string sent = pattern(8u << 20);
  for (int i = 0; i < 2; ++i) {
    auto answer = client.exchange("POST", "/big", sent);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_TRUE(answer->body == sent);
  }
}

TEST_P(BodiesOf, EverySizeAroundTheBuffers) {
  RawHttp client = connect();
  for (std::size_t size : {0, 1, 2, 16383, 16384, 16385, 65536, 65537, 300001}) {
    std::string sent = pattern(size);
    auto answer = client.exchange("POST", "/echo", sent);
    ASSERT_TRUE(answer) << size;
    EXPECT_TRUE(answer->body == sent) << size;
  }
}

TEST_P(BodiesOf, AConnectionThatBreaksHandsOnWhatCame) {
  {
    RawHttp client = connect();
    client.send("POST /partial HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + pattern(300'000));
    client.half_close();
    auto got = partial.get_future().get();
    EXPECT_TRUE(got.truncated);
    EXPECT_EQ(got.size, 300'000u);
  }
}

TEST_F(Bodies, TlsIsVersion13AndNothingOlder) {
  auto with = options();
  with.tls = identity();
  open(std::move(with));
  EXPECT_STREQ(connect().tls_version(), "TLSv1.3");
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  RawHttp plain(server->port(), Security::kPlain);
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, plain.fd());
  EXPECT_NE(SSL_connect(ssl), 1);
  SSL_free(ssl);
  SSL_CTX_free(context);
}

TEST_F(Bodies, PlainTextOnATlsPortEndsTheConnection) {
  auto with = options();
  with.tls = identity();
  open(std::move(with));
  RawHttp plain(server->port(), Security::kPlain);
  plain.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(plain.ends_within(std::chrono::seconds(2)));
}

TEST_F(Bodies, ChunksAreJoined) {
  open(options());
  RawHttp client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  client.send("0");
  client.send("f\r\n, dear ");
  client.send("you all!\r\n0\r\n\r\nGET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.answer()->body, "hello, dear you all!");
  EXPECT_EQ(client.answer()->status, 200);
}

TEST_F(Bodies, LargeChunkedBodiesAreJoined) {
  open(options());
  RawHttp client = connect();
  std::string sent = pattern(700'000), wire;
  for (std::size_t at = 0; at < sent.size(); at += 50'000) {
    std::string part = sent.substr(at, 50'000);
    char size[16];
    std::snprintf(size, sizeof size, "%zx\r\n", part.size());
    wire += size + part + "\r\n";
  }
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + wire + "0\r\n\r\n");
  auto answer = client.answer();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->body == sent);
}

TEST_F(Bodies, BadOrLargeChunksAreRefused) {
  open(options());
  std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(status_of(head + "xyz\r\n"), 400);
  EXPECT_EQ(status_of(head + "-5\r\nhello\r\n"), 400);
  EXPECT_EQ(status_of(head + "3\r\nhello\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + "ffffffffffffffffff\r\n"), 400);
  EXPECT_EQ(status_of(head + "7fffffffffffffff\r\n"), 413);
  EXPECT_EQ(status_of(head + "200000\r\n"), 413);
  EXPECT_EQ(status_of(head + "1;" + std::string(100'000, 'x') + "\r\n"), 400);
}

TEST_F(Bodies, ExpectContinueIsAnswered) {
  open(options());
  RawHttp client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.head()->status, 100);
  client.send("data");
  EXPECT_EQ(client.answer()->body, "data");
  RawHttp refused = connect();
  refused.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(refused.answer()->status, 413);
  EXPECT_EQ(status_of("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: tea\r\n\r\ndata"), 400);
}

TEST_F(Bodies, AResetHandsOnWhatCame) {
  open(options());
  RawHttp client = connect();
  client.send("POST /partial HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + pattern(100'000));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  client.drop();
  auto got = partial.get_future().get();
  EXPECT_TRUE(got.truncated);
  EXPECT_EQ(got.size, 100'000u);
}

TEST_F(Bodies, AWholeBodyIsNotTruncated) {
  open(options());
  RawHttp client = connect();
  EXPECT_EQ(client.exchange("POST", "/partial", pattern(100'000))->status, 200);
  auto got = partial.get_future().get();
  EXPECT_FALSE(got.truncated);
  EXPECT_EQ(got.size, 100'000u);
}

TEST_F(Bodies, WhereTruncationIsNotAcceptedAShortBodyIsRefused) {
  open(options());
  RawHttp client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nshort");
  client.half_close();
  EXPECT_EQ(client.answer()->status, 400);
}

TEST_F(Bodies, LargeBodiesOfStrangersAreRefusedBeforeTheyCome) {
  open(options());
  RawHttp stranger = connect();
  stranger.send("POST /guarded HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n");
  auto refused = stranger.answer();  // no byte of the body was sent
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 401);
  EXPECT_EQ(refused->header("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(refused->header("Connection"), "close");

  RawHttp friendly = connect();
  EXPECT_EQ(friendly.exchange("POST", "/guarded", pattern(200'000), "Authorization: Bearer good\r\n")->status, 200);
  int before = admissions;
  EXPECT_EQ(friendly.exchange("POST", "/guarded", "small")->status, 200);  // the handler's own check decides
  EXPECT_EQ(admissions, before);
}

// The answer must arrive although the client is still sending when it is refused.
TEST_F(Bodies, TheRefusalReachesAClientThatIsStillSending) {
  open(options());
  for (int i = 0; i < 20; ++i) {
    RawHttp client = connect();
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n");
    client.send(pattern(2'000'000));
    auto answer = client.answer();
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->status, 413);
  }
}

TEST_F(Bodies, MemoryOfBodiesIsBounded) {
  auto with = options();
  with.max_body_memory = 1u << 20;
  open(std::move(with));
  RawHttp holder = connect();
  holder.send("POST /big HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return server->gauges().body_memory_bytes == 1'000'000; }));
  RawHttp second = connect();
  second.send("POST /big HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  auto busy = second.answer();
  EXPECT_EQ(busy->status, 503);
  EXPECT_FALSE(busy->header("Retry-After").empty());
  holder.send(pattern(1'000'000));
  EXPECT_EQ(holder.answer()->status, 200);
  EXPECT_TRUE(eventually([&] { return server->gauges().body_memory_bytes == 0; }));
}

TEST_F(Bodies, MemoryOfAnswersThatNobodyReadsIsBounded) {
  auto with = options();
  with.max_body_memory = 100u << 20;   // one answer of /flood
  open(std::move(with));
  RawHttp idle(server->port(), Security::kPlain, /*receive_buffer=*/8192);
  idle.request("GET", "/flood");
  ASSERT_TRUE(eventually([&] { return server->gauges().body_memory_bytes == 64u << 20; }));
  RawHttp second = connect();
  second.request("GET", "/flood");
  EXPECT_EQ(second.answer()->status, 503);
  RawHttp small = connect();
  small.request("GET", "/hello");
  EXPECT_EQ(small.answer()->status, 200);
  EXPECT_EQ(idle.answer()->body.size(), 64u << 20);
  EXPECT_TRUE(eventually([&] { return server->gauges().body_memory_bytes == 0; }));
}

}  // namespace
}  // namespace skymoor::server
