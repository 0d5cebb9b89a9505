#include "backend-server/http/router.h"

#include <gtest/gtest.h>

namespace skymoor::server {
namespace {

Router volumes() {
  Router router;
  Handler none = [](Request&) -> Result<Response> { return Response{}; };
  router.add({"GET", "/", none});
  router.add({"GET", "/api/volumes", none});
  router.add({"POST", "/api/volumes", none});
  router.add({"GET", "/api/volumes/{volume}", none});
  router.add({"GET", "/api/volumes/{volume}/directories/{inode}", none});
  return router;
}

TEST(RouterTest, FindsByMethodAndPath) {
  Router router = volumes();
  EXPECT_EQ(router.match("GET", "/").route->pattern, "/");
  EXPECT_EQ(router.match("POST", "/api/volumes").route->method, "POST");
  EXPECT_EQ(router.match("HEAD", "/api/volumes").route->method, "GET");
  auto match = router.match("GET", "/api/volumes/v1/directories/7");
  ASSERT_TRUE(match.route);
  EXPECT_EQ(match.parameters, (std::vector<NamedText>{{"volume", "v1"}, {"inode", "7"}}));
}

TEST(RouterTest, TellsAnUnknownPathFromAnotherMethod) {
  Router router = volumes();
  auto method = router.match("DELETE", "/api/volumes");
  EXPECT_EQ(method.route, nullptr);
  EXPECT_EQ(method.allowed, "GET, POST");
  for (const char* path : {"/api", "/api/volumes/v1/directories", "/API/volumes", "/api/volumes/v1/x/y/z"}) {
    auto unknown = router.match("GET", path);
    EXPECT_EQ(unknown.route, nullptr) << path;
    EXPECT_EQ(unknown.allowed, "") << path;
  }
}

}  // namespace
}  // namespace skymoor::server
