#include "backend-server/http/router.h"

namespace skymoor::server {
namespace {

bool is_parameter(std::string_view segment) { return segment.size() > 2 && segment.front() == '{'; }

/// "/a/b" -> "a", "b"; "/" -> nothing.
std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  if (path == "/") return segments;
  for (std::size_t at = 0; at < path.size();) {
    std::size_t slash = std::min(path.find('/', at + 1), path.size());
    segments.emplace_back(path.substr(at + 1, slash - at - 1));
    at = slash;
  }
  return segments;
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i)
    if (!is_parameter(pattern[i]) && pattern[i] != path[i]) return false;
  return true;
}

bool answers(const Route& route, std::string_view method) {
  return route.method == method || (method == "HEAD" && route.method == "GET");
}

}  // namespace

void Router::add(Route route) {
  auto segments = split(route.pattern);
  entries_.push_back({std::move(route), std::move(segments)});
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  Match match;
  std::vector<std::string> segments = split(path);
  for (const Entry& entry : entries_) {
    if (!matches(entry.segments, segments)) continue;
    if (!answers(entry.route, method)) {
      match.allowed += (match.allowed.empty() ? "" : ", ") + entry.route.method;
      continue;
    }
    match.route = &entry.route;
    for (std::size_t i = 0; i < segments.size(); ++i)
      if (const std::string& name = entry.segments[i]; is_parameter(name))
        match.parameters.emplace_back(name.substr(1, name.size() - 2), std::move(segments[i]));
    match.allowed.clear();
    break;
  }
  return match;
}

}  // namespace skymoor::server
