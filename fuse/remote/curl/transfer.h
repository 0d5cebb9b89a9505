// One request under way. Private to the room.
#pragma once
#include <cstdint>

#include "fuse/remote/curl/handles.h"
#include "fuse/remote/http_client.h"
#include "fuse/remote/lock_ranks.h"

namespace skymoor::client::curl {

/// Built and waited for by the calling thread, driven by the event thread in between; shared by both. The request and
/// the client's options must outlive the wait. States: new -> running (event loop) -> done.
class Transfer {
 public:
  Transfer(const HttpClient::Options& options, const HttpRequest& request, bool streaming);

  /// Errors: OutOfMemory.
  Status prepare();
  CURL* easy() const { return easy_.get(); }

  // Calling thread.
  /// Until done.
  Result<HttpResponse> wait();
  /// Until done; hands on what arrives meanwhile. Errors of the sink or of silence: the caller must cancel, then wait.
  Status pump(const StreamSink& sink);

  // Event thread.
  /// Lets its connection take several records from the socket at a time, if it needs a new one, and count up `records`, which
  /// outlives the connection, for each that is opened: who drives it must go on until that stands still.
  void read_tls_ahead(std::uint64_t& records);
  void finish(CURLcode code);
  void finish_cancelled();

 private:
  static std::size_t on_write(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  bool take(ByteView data);
  void read_header(std::string_view line);
  void set_request_options();
  void set_trust_options();
  void complete(std::optional<Error> error);

  // Constant after prepare.
  const HttpClient::Options& options_;
  const HttpRequest& request_;
  const bool streaming_;
  Easy easy_;
  List headers_;
  std::string url_, no_proxy_;
  // Event thread only.
  bool too_large_ = false;
  char detail_[CURL_ERROR_SIZE] = {};
  // Guarded by mutex_.
  Mutex mutex_;
  CondVar changed_;
  HttpResponse response_ GUARDED_BY(mutex_);   ///< for the event thread alone until `head_` (stream) or `done_`
  Bytes arrived_ GUARDED_BY(mutex_);           ///< streaming: not handed on yet
  bool head_ GUARDED_BY(mutex_) = false;
  bool done_ GUARDED_BY(mutex_) = false;
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::client::curl
