#include "fuse/remote/curl/transfer.h"

#include <openssl/ssl.h>

#include <charconv>
#include <cstdlib>

#include "fuse/remote/curl/failure.h"
#include "shared/protocol/failure.h"
#include "skymoor_version.h"

namespace skymoor::client::curl {
namespace {

/// Large answers are read in large pieces; small ones do not pay for the memory.
constexpr long kReceiveBufferBytes = 512 * 1024, kSmallReceiveBufferBytes = 16 * 1024;
constexpr std::size_t kLargeAnswerBytes = 1u << 20;
constexpr long kSendBufferBytes = 1024 * 1024;
/// TLS records are taken from the socket several at a time. More would be moved about in there more often.
constexpr std::size_t kReadAheadBytes = 64 * 1024;
/// A streamed answer that the caller does not take: the server is broken or hostile.
constexpr std::size_t kMaxArrivedBytes = 1u << 20;

/// A proxy that serves the machine's other traffic has no way to a server on the machine itself.
std::string proxy_exceptions() {
  std::string list = "localhost,127.0.0.1,::1";
  for (const char* name : {"no_proxy", "NO_PROXY"})
    if (const char* value = std::getenv(name); value && *value) return list + "," + value;
  return list;
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) {
           return std::tolower(x) == std::tolower(y);
         });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::strchr(" \t\r\n", text.front())) text.remove_prefix(1);
  while (!text.empty() && std::strchr(" \t\r\n", text.back())) text.remove_suffix(1);
  return text;
}

/// TLS 1.3 tells of the inner type of each record once it is opened.
void count_record(int written, int, int content_type, const void*, std::size_t, SSL*, void* records) {
  if (!written && content_type == SSL3_RT_INNER_CONTENT_TYPE) ++*static_cast<std::uint64_t*>(records);
}

CURLcode read_ahead(CURL*, void* context, void* records) {
  auto* tls = static_cast<SSL_CTX*>(context);
  SSL_CTX_set_msg_callback(tls, &count_record);
  SSL_CTX_set_msg_callback_arg(tls, records);
  SSL_CTX_set_read_ahead(tls, 1);
  SSL_CTX_set_default_read_buffer_len(tls, kReadAheadBytes);
  return CURLE_OK;
}

}  // namespace

Transfer::Transfer(const HttpClient::Options& options, const HttpRequest& request, bool streaming)
    : options_(options), request_(request), streaming_(streaming), mutex_(kTransferRank, "transfer") {}

Status Transfer::prepare() {
  easy_.reset(curl_easy_init());
  if (!easy_) return Error(Code::kOutOfMemory, "no memory for a request");
  url_ = options_.base_url + request_.path;
  no_proxy_ = proxy_exceptions();
  set_request_options();
  set_trust_options();
  return {};
}

void Transfer::set_request_options() {
  CURL* easy = easy_.get();
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_URL, url_.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // Ending a request must not wait for a name server.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_NOPROXY, no_proxy_.c_str());
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  const bool large = request_.max_response_bytes > kLargeAnswerBytes;
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, large ? kReceiveBufferBytes : kSmallReceiveBufferBytes);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail_);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::on_write);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  const auto timeout = std::max<std::int64_t>(1, request_.timeout.count());
  const auto connect = std::min<std::int64_t>(timeout, options_.connect_timeout.count());
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect));
  if (!streaming_) curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout));
  if (!streaming_ && request_.idle_timeout.count() > 0) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(request_.idle_timeout).count();
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(seconds));
  }

  if (request_.method == "POST" || !request_.body.empty()) {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_.body.empty() ? "" : as_text(request_.body).data());
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, request_.body.size() > 65536 ? kSendBufferBytes : 65536L);
  }
  if (request_.method != "POST" && request_.method != "GET")
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());

  auto add = [this](const std::string& line) {
    if (curl_slist* list = curl_slist_append(headers_.get(), line.c_str())) {
      headers_.release();
      headers_.reset(list);
    }
  };
  add("Expect:");  // no round trip before a body
  add("Skymoor-Protocol: " + std::to_string(protocol::kProtocolVersion));
  for (const std::string& line : request_.headers) add(line);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "skymoor/" SKYMOOR_VERSION);
}

void Transfer::set_trust_options() {
  CURL* easy = easy_.get();
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_3));
  curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
  if (options_.trust.pin.empty()) return;
  curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, options_.trust.pin.c_str());
  // The pin is the whole proof: a self-made certificate has no authority, and its key may serve under any name.
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  static_cast<Transfer*>(self)->read_header({data, size * count});
  return size * count;
}

void Transfer::read_header(std::string_view line) {
  MutexLock lock(mutex_);
  if (line.starts_with("HTTP/")) response_ = {};  // a head after "100 Continue" replaces it
  if (trimmed(line).empty()) {
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    response_.status = static_cast<int>(status);
    head_ = status >= 200;
    changed_.notify_all();
    return;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
  if (same_ignoring_case(name, "content-type")) response_.content_type = value;
  if (same_ignoring_case(name, "retry-after")) {
    int seconds = 0;
    if (std::from_chars(value.data(), value.data() + value.size(), seconds).ec == std::errc() && seconds >= 0)
      response_.retry_after = std::chrono::seconds(seconds);
  }
  if (same_ignoring_case(name, "date"))
    if (const time_t date = curl_getdate(std::string(value).c_str(), nullptr); date != -1)
      response_.date = std::chrono::sys_seconds(std::chrono::seconds(date));
}

std::size_t Transfer::on_write(char* data, std::size_t size, std::size_t count, void* self) {
  const std::size_t bytes = size * count;
  return static_cast<Transfer*>(self)->take(as_bytes({data, bytes})) ? bytes : 0;
}

bool Transfer::take(ByteView data) {
  MutexLock lock(mutex_);
  if (streaming_) {
    if (arrived_.size() + data.size() > kMaxArrivedBytes) return !(too_large_ = true);
    append(arrived_, data);
    changed_.notify_all();
    return true;
  }
  Bytes& body = response_.body;
  if (body.size() + data.size() > request_.max_response_bytes) return !(too_large_ = true);
  if (body.empty()) {
    curl_off_t announced = 0;
    if (curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced) == CURLE_OK && announced > 0)
      body.reserve(std::min<std::size_t>(static_cast<std::size_t>(announced), request_.max_response_bytes));
  }
  append(body, data);
  return true;
}

void Transfer::read_tls_ahead(std::uint64_t& records) {
  curl_easy_setopt(easy_.get(), CURLOPT_SSL_CTX_FUNCTION, &read_ahead);
  curl_easy_setopt(easy_.get(), CURLOPT_SSL_CTX_DATA, &records);
}

void Transfer::finish(CURLcode code) {
  if (code == CURLE_OK) return complete(std::nullopt);
  if (too_large_)
    return complete(Error(Code::kTooLarge, options_.base_url + " answered more than " +
                                               std::to_string(request_.max_response_bytes) + " bytes"));
  complete(failure_of(code, easy_.get(), options_.base_url, options_.trust, detail_));
}

void Transfer::finish_cancelled() { complete(Error(Code::kCancelled, "the request was cancelled")); }

void Transfer::complete(std::optional<Error> error) {
  MutexLock lock(mutex_);
  error_ = std::move(error);
  done_ = true;
  changed_.notify_all();
}

Result<HttpResponse> Transfer::wait() {
  MutexLock lock(mutex_);
  while (!done_) changed_.wait(lock);
  if (error_) return *error_;
  return std::move(response_);
}

Status Transfer::pump(const StreamSink& sink) {
  const auto silence = Error(Code::kTimedOut, options_.base_url + " has gone silent");
  bool head_told = false;
  MutexLock lock(mutex_);
  for (;;) {
    if (head_ && !head_told) {
      head_told = true;
      const HttpResponse head = response_;
      lock.unlock();
      Status told = sink.on_head(head);
      lock.lock();
      if (!told.ok()) return told;
    }
    if (!arrived_.empty()) {
      const Bytes data = std::exchange(arrived_, {});
      lock.unlock();
      Status told = sink.on_data(data);
      lock.lock();
      if (!told.ok()) return told;
      continue;
    }
    if (done_) return {};
    const auto patience = head_told ? request_.idle_timeout : request_.timeout;
    if (patience.count() == 0) {
      changed_.wait(lock);
    } else if (!changed_.wait_for(lock, patience) && arrived_.empty() && !done_ && head_ == head_told) {
      return silence;
    }
  }
}

}  // namespace skymoor::client::curl
