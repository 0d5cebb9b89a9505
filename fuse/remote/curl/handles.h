// Owners for libcurl's objects. Private to the room.
#pragma once
#include <curl/curl.h>

#include <memory>
#include <mutex>

namespace skymoor::client::curl {

template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const { kFree(object); }
};
using Easy = std::unique_ptr<CURL, FreeWith<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, FreeWith<curl_multi_cleanup>>;
using List = std::unique_ptr<curl_slist, FreeWith<curl_slist_free_all>>;
using Url = std::unique_ptr<CURLU, FreeWith<curl_url_cleanup>>;
using Text = std::unique_ptr<char, FreeWith<curl_free>>;

/// libcurl wants this once per process, before any other call.
inline void initialize_library() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

}  // namespace skymoor::client::curl
