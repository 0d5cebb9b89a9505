// Each promise of SEMANTICS.md names tests; all of them must exist. SKYMOOR_SOURCE says where the page is (ctest sets it).
// It was left out for a while and nobody noticed: __FILE__ is no path to anywhere but from the directory it was compiled in.
#include <gtest/gtest.h>

#include <cstdlib>
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

/// "file::test_name" for each test of the real mounts.
std::set<std::string> mount_tests(const std::filesystem::path& directory) {
  std::set<std::string> names;
  const std::regex definition("^def (test_[a-z0-9_]+)\\(");
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".py") continue;
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);)
      if (std::smatch found; std::regex_search(line, found, definition))
        names.insert(entry.path().stem().string() + "::" + found[1].str());
  }
  return names;
}

TEST(Semantics, EveryPromiseHasItsTests) {
  const char* source = std::getenv("SKYMOOR_SOURCE");
  const std::filesystem::path page = std::filesystem::path(source ? source : ".") / "fuse/SEMANTICS.md";
  std::ifstream in(page);
  ASSERT_TRUE(in) << page << " is not there: SKYMOOR_SOURCE names the top of the sources";
  std::set<std::string> known = registered_tests();
  for (const char* tests : {"../tests/mount", "../tests/system", "../tests/crash"})
    known.merge(mount_tests(page.parent_path() / tests));
  std::regex name("`([A-Z][A-Za-z]+\\.[A-Z][A-Za-z0-9]+|[a-z_]+_test::test_[a-z0-9_]+)`");
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
