// Private to the room: the head of a request, strictly read, and bodies in chunks.
#pragma once
#include <memory>

#include "backend-server/http/message.h"
#include "shared/base/error.h"

namespace skymoor::server {

struct RequestHead {
  std::string method, target;
  std::vector<NamedText> headers;                ///< names in lower case
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool expects_continue = false;
  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

/// Parses a whole head, the empty line included. What two parsers could read in two ways is refused: a length beside
/// chunks, a length twice, folded lines, a missing or second Host, any transfer coding but "chunked".
/// Errors: InvalidArgument, TooLarge (more than `max_headers`). Source: RFC 9112.
Result<RequestHead> parse_request_head(std::string_view head, std::size_t max_headers);

/// Offset past the empty line that ends the head in `bytes`, or npos.
std::size_t find_head_end(std::string_view bytes, std::size_t searched_before);

/// Decodes a body in chunks. Not thread-safe.
class ChunkedBody {
 public:
  /// `head`: the raw head that announced the chunks.
  ChunkedBody(std::string_view head, std::size_t max_body_bytes);
  ~ChunkedBody();
  /// Takes what it can of `bytes` and returns how much: what is left needs more bytes behind it.
  /// Errors: InvalidArgument (malformed), TooLarge.
  Result<std::size_t> feed(ByteView bytes);
  bool done() const;
  ByteView body() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace skymoor::server
