#include "shared/protocol/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skymoor::protocol {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Failure, EveryCodeOfTheServerComesBack) {
  for (Code code : {Code::kInvalidArgument, Code::kNotFound, Code::kAlreadyExists, Code::kConflict, Code::kResync,
                    Code::kBlockMissing, Code::kQuotaExceeded, Code::kNoSpace, Code::kUnauthenticated, Code::kForbidden,
                    Code::kRateLimited, Code::kTooLarge, Code::kUnprocessable, Code::kBadSignature, Code::kBusy,
                    Code::kWrongPassword, Code::kMethodNotAllowed, Code::kUnknownServer, Code::kInternal}) {
    Error error = decode_failure(http_status_of(code), as_bytes(encode_failure(Error(code, "why"), "req-1")));
    EXPECT_EQ(error.code(), code) << name_of(code);
    EXPECT_EQ(error.message() == "why", code != Code::kInternal);
  }
}

TEST(Failure, TellsNothingOfTheServersInside) {
  Error inner = Error::from_errno(EACCES, "open /var/lib/skymoord/keyservice.secret");
  for (const Error& error :
       {inner, inner.wrap("reading the secret /etc/x"), Error(Code::kCorrupt, "segment /data/7 is bad"),
        Error(Code::kInternal, "SELECT * FROM users")}) {
    std::string text = encode_failure(error, "req-42");
    EXPECT_THAT(text, Not(HasSubstr("/")));
    EXPECT_THAT(text, Not(HasSubstr("SELECT")));
    EXPECT_THAT(text, HasSubstr("req-42"));
  }
}

TEST(Failure, CausesStayInTheLog) {
  Error error = Error(Code::kConflict, "slot 5 of shard 3").wrap("the directory changed");
  EXPECT_THAT(encode_failure(error, "r"), Not(HasSubstr("shard")));
  EXPECT_THAT(encode_failure(error, "r"), HasSubstr("the directory changed"));
}

TEST(Failure, MessagesThatAreNotUtf8AreStillJson) {
  std::string text = encode_failure(Error(Code::kNotFound, "\xff\xfe\"\n"), "r");
  Error error = decode_failure(404, as_bytes(text));
  EXPECT_EQ(error.code(), Code::kNotFound);
  EXPECT_THAT(error.message(), Not(HasSubstr("\n")));
}

TEST(Failure, AnswersOfAProxyAreNotTakenForOurs) {
  Error gateway = decode_failure(502, as_bytes("<html><h1>502 Bad Gateway</h1></html>"));
  EXPECT_EQ(gateway.code(), Code::kUnavailable);
  EXPECT_THAT(gateway.message(), HasSubstr("502"));
  EXPECT_EQ(decode_failure(404, as_bytes("<html>")).code(), Code::kIo);
  EXPECT_EQ(decode_failure(403, {}).code(), Code::kIo);
  EXPECT_EQ(decode_failure(404, as_bytes(R"({"error":"no"})")).code(), Code::kIo);
}

/// A client that found forged history stops for good; a server whose disk has a bad page is waited for.
TEST(Failure, AServersOwnDamageIsNoForgery) {
  const std::string text = encode_failure(Error(Code::kCorrupt, "page 7 of metadata.db"), "r");
  EXPECT_EQ(decode_failure(500, as_bytes(text)).code(), Code::kIo);
}

TEST(Failure, UnknownCodesFallBackOnTheStatus) {
  auto with = [](int status) {
    return decode_failure(status, as_bytes(R"({"code":"newer_code","message":"m"})")).code();
  };
  EXPECT_EQ(with(401), Code::kUnauthenticated);
  EXPECT_EQ(with(404), Code::kNotFound);
  EXPECT_EQ(with(409), Code::kConflict);
  EXPECT_EQ(with(429), Code::kRateLimited);
  EXPECT_EQ(with(418), Code::kInvalidArgument);
  EXPECT_EQ(with(503), Code::kUnavailable);
}

TEST(Failure, AServerCannotClaimWhatOnlyTheClientKnows) {
  for (const char* code : {"not_present", "offline", "cancelled", "bad_certificate"}) {
    std::string text = std::string(R"({"code":")") + code + R"(","message":"m"})";
    EXPECT_EQ(decode_failure(500, as_bytes(text)).code(), Code::kUnavailable) << code;
  }
}

}  // namespace
}  // namespace skymoor::protocol
