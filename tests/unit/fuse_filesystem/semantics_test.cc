// Each promise of SEMANTICS.md names tests; all of them must exist.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

namespace skymoor::client {
namespace {

std::set<std::string> registered_tests() {
  std::set<std::string> names;
  const auto& all = *::testing::UnitTest::GetInstance();
  for (int s = 0; s < all.total_test_suite_count(); ++s) {
    const auto& suite = *all.GetTestSuite(s);
    for (int t = 0; t < suite.total_test_count(); ++t) {
      std::string name = std::string(suite.name()) + "." + suite.GetTestInfo(t)->name();
      name = name.substr(name.find('/') < name.find('.') ? name.find('/') + 1 : 0);   // parametrised: Seeds/X.y/3
      names.insert(name.substr(0, name.find('/')));
    }
  }
  return names;
}

TEST(Semantics, EveryPromiseHasItsTests) {
  std::filesystem::path page = std::filesystem::path(__FILE__).parent_path() / "../../../fuse/SEMANTICS.md";
  std::ifstream in(page);
  if (!in) GTEST_SKIP() << "the sources are not here";
  std::set<std::string> known = registered_tests();
  std::regex name("`([A-Z][A-Za-z]+\\.[A-Z][A-Za-z0-9]+)`");
  bool promises = true;
  int named = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) promises = line.find("Known differences") == line.npos;
    if (!promises || !line.starts_with("- ")) continue;
    auto begin = std::sregex_iterator(line.begin(), line.end(), name);
    EXPECT_NE(begin, std::sregex_iterator()) << "no test: " << line;
    for (auto it = begin; it != std::sregex_iterator(); ++it, ++named)
      EXPECT_EQ(known.count((*it)[1]), 1u) << "no such test: " << (*it)[1];
  }
  EXPECT_GT(named, 50);
}

}  // namespace
}  // namespace skymoor::client
