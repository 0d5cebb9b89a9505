// Private to the room: the state machine of one connection.
#pragma once
#include "backend-server/http/connection/request_head.h"
#include "backend-server/http/connection/server_core.h"
#include "backend-server/http/network/transport.h"

namespace skymoor::server {

/// Larger bodies are admitted before they are read, and count against the memory of all.
inline constexpr std::size_t kSmallBodyBytes = 64 * 1024;

/// Serves one connection's requests one after the other.
///
///   handshake -> idle -> head -> [admit on a worker] -> [body] -> handler on a worker -> answer -> idle ...
///                                                                                          `-> stream until the end
///
/// Lives on its transport's I/O thread: all state is touched there only; handlers get the request by reference while
/// the connection waits for them. Kept alive by the callbacks under way; when none is left, it is gone. Failure:
/// anything wrong is answered as far as the peer can be reached, then the connection ends.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(ServerCore& core, std::shared_ptr<Transport> transport);
  ~HttpConnection();
  void start();
  /// From any thread. Ends an idle connection or a stream now, others after their answer; `force` ends all now.
  void stop(bool force);

 private:
  enum class Phase : std::uint8_t { kHandshake, kIdle, kHead, kAdmit, kBody, kHandler, kAnswer, kStream, kClosed };

  // connection.cc: from request to request.
  void next_request();
  void read_head();
  void on_head(std::size_t head_end);
  Status understand(std::string_view raw_head);
  void admit();
  void run_handler();
  static Result<Response> call(const Handler& handler, Request& request);
  void close();

  // connection_body.cc
  void receive_body();
  void begin_body();
  void read_sized_body(std::size_t length);
  void read_chunk();
  bool feed_chunks();
  void on_body(Body body, Status outcome);
  [[nodiscard]] bool reserve_body(std::size_t bytes);
  void release_body();

  // connection_answer.cc
  void fail(const Error& error, int status = 0);
  void answer(Result<Response> result);
  void send(Response response);
  void on_sent(Status outcome);
  void report(std::size_t sent_bytes);

  // connection_stream.cc
  void begin_stream();
  void watch_for_end();
  void pump();
  void ping();
  void write_stream(std::string text);
  void end_stream();

  // Constant after construction.
  ServerCore& core_;
  const std::shared_ptr<Transport> transport_;
  // On the I/O thread only.
  Phase phase_ = Phase::kHandshake;
  Bytes buffer_;                       ///< what came and was not used yet: [0, filled_)
  std::size_t filled_ = 0, searched_ = 0;
  Instant head_deadline_{}, started_{};
  bool served_one_ = false, close_after_ = false;
  // The present request.
  RequestHead head_;
  std::string raw_head_;               ///< kept for bodies in chunks
  Request request_;
  const Route* route_ = nullptr;
  std::unique_ptr<ChunkedBody> chunks_;
  std::size_t reserved_bytes_ = 0, received_bytes_ = 0;
  bool body_unread_ = false;
  // The present answer.
  Response response_;
  std::string answer_head_;
  // The stream.
  std::string stream_owner_, stream_text_;
  bool stream_writing_ = false, stream_counted_ = false;
  Instant stream_end_{};
};

}  // namespace skymoor::server
