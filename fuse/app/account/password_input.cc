#include "fuse/app/account/password_input.h"

#include <fcntl.h>
#include <unistd.h>

#include "shared/base/fd.h"
#include "shared/crypto/hash.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxBytes = 4096;
constexpr std::string_view kInstead = "--password-file FILE (or '-' for standard input)";

Result<crypto::SecretBytes> first_line(int fd, const std::string& name) {
  crypto::SecretBytes text(kMaxBytes);
  std::size_t size = 0;
  while (size < kMaxBytes) {
    const ssize_t n = ::read(fd, text.mutable_view().data() + size, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "password file " + name);
    if (n == 0 && size == 0) return Error(Code::kInvalidArgument, name + " is empty: the password belongs on its first line");
    if (n == 0 || text.view()[size] == '\n') break;
    ++size;
  }
  if (size > 0 && text.view()[size - 1] == '\r') --size;
  return crypto::SecretBytes(text.view().first(size));
}

}  // namespace

Result<crypto::SecretBytes> read_password(Console& console, const std::string& file, bool twice) {
  if (file == "-") return first_line(STDIN_FILENO, "standard input");
  if (!file.empty()) {
    UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return Error::from_errno(errno, "password file " + file);
    return first_line(fd.get(), file);
  }
  auto password = TRY(console.ask_secret("Password: ", kInstead));
  if (!twice) return password;
  const auto again = TRY(console.ask_secret("Password again: ", kInstead));
  if (!crypto::constant_time_equal(password.view(), again.view()))
    return Error(Code::kInvalidArgument, "the two passwords differ: nothing was done");
  return password;
}

}  // namespace skymoor::client
