#include "fuse/remote/curl/handles.h"
#include "fuse/remote/http_client.h"
#include "shared/base/ip_address.h"

namespace skymoor::client {
namespace {

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, 0) != CURLUE_OK) return {};
  curl::Text owner(text);
  return text;
}

}  // namespace

bool is_this_machine(const std::string& server_url) {
  curl::initialize_library();
  curl::Url url(curl_url());
  return url && curl_url_set(url.get(), CURLUPART_URL, server_url.c_str(), 0) == CURLUE_OK &&
         is_loopback_host(part(url.get(), CURLUPART_HOST));
}

Result<std::string> normalize_server_url(std::string_view text) {
  auto refuse = [&](const std::string& why) {
    return Error(Code::kInvalidArgument, "server '" + std::string(text) + "': " + why);
  };
  if (text.empty() || text.size() > 1024) return refuse("give its URL, like https://cloud.example.org:7443");
  std::string full(text);
  if (full.find("://") == std::string::npos) full = "https://" + full;
  curl::initialize_library();
  curl::Url url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, full.c_str(), 0) != CURLUE_OK) return refuse("not a URL");
  const std::string scheme = part(url.get(), CURLUPART_SCHEME), port = part(url.get(), CURLUPART_PORT);
  std::string host = part(url.get(), CURLUPART_HOST);
  for (char& c : host) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (scheme != "https" && scheme != "http") return refuse("only https");
  if (scheme == "http" && !is_loopback_host(host)) return refuse("plain http is only for a server on this very machine");
  if (!part(url.get(), CURLUPART_USER).empty()) return refuse("the user is given apart");
  const std::string path = part(url.get(), CURLUPART_PATH);
  if ((path != "/" && !path.empty()) || !part(url.get(), CURLUPART_QUERY).empty() ||
      !part(url.get(), CURLUPART_FRAGMENT).empty())
    return refuse("give it without a path");
  const bool usual_port = port.empty() || (scheme == "https" && port == "443") || (scheme == "http" && port == "80");
  return scheme + "://" + host + (usual_port ? "" : ":" + port);
}

}  // namespace skymoor::client
