// Private to the room: TLS without a socket.
#pragma once
#include <openssl/ssl.h>

#include <boost/system/error_code.hpp>
#include <memory>
#include <span>

#include "shared/base/bytes.h"

namespace skymoor::server {

/// The server's end of one TLS connection: sealed bytes come in and go out through buffers, many records at a time, so that
/// the socket is asked once for what would be sixteen calls. Not thread-safe. Failure: the connection is of no more use.
class TlsEngine {
 public:
  /// How a step ended: `bytes` were moved; or it needs more input (`wants_input`); or it failed.
  struct Step {
    std::size_t bytes = 0;
    bool wants_input = false;
    boost::system::error_code failure;
  };
  explicit TlsEngine(SSL_CTX* context);

  Step handshake();
  /// At least one byte, as many as are there and fit.
  Step read(std::span<std::uint8_t> into);
  /// All of `from`.
  Step write(ByteView from);
  /// Says goodbye; done once the peer has said it too.
  Step shutdown();

  /// Where the socket's next bytes go, then how many came.
  std::span<std::uint8_t> input_room();
  void input_came(std::size_t bytes);
  /// What has to be sent, once the last such bytes are.
  bool has_output() const { return !output_.empty(); }
  ByteView begin_sending();
  void sent();

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  Step step_of(int answer);
  static int read_input(BIO* bio, char* into, int size);
  static int write_output(BIO* bio, const char* from, int size);
  static long control(BIO* bio, int command, long number, void* pointer);
  static BIO_METHOD* method();

  std::unique_ptr<SSL, Free> ssl_;
  Bytes input_, output_, sending_;
  std::size_t input_begin_ = 0, input_end_ = 0;
};

}  // namespace skymoor::server
