// Error codes, Error, Result<T>, Status and TRY: how every room reports failure.
#pragma once
#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <cerrno>

namespace skymoor {

/// What a caller may do about an error.
enum class Retry : std::uint8_t {
  kNever,    ///< asking again gives the same answer
  kLater,    ///< a passing condition: try again after a pause
  kRefresh,  ///< pull the newer state (or a new token) first, then try again
};

/// Level at which an unexpected occurrence of the code is logged.
enum class ErrorLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };

// The one table of error codes: name, permanent number, errno, HTTP status, retry class, log level.
// Numbers travel in the protocol and in logs: never renumber, never reuse.
#define SKYMOOR_ERROR_CODES(X)                                              \
  X(InvalidArgument, 1, EINVAL, 400, kNever, kInfo)                         \
  X(NotFound, 2, ENOENT, 404, kNever, kDebug)                               \
  X(AlreadyExists, 3, EEXIST, 409, kNever, kDebug)                          \
  X(NotDirectory, 4, ENOTDIR, 400, kNever, kDebug)                          \
  X(IsDirectory, 5, EISDIR, 400, kNever, kDebug)                            \
  X(NotEmpty, 6, ENOTEMPTY, 409, kNever, kDebug)                            \
  X(PermissionDenied, 7, EACCES, 403, kNever, kInfo)                        \
  X(NotPermitted, 8, EPERM, 403, kNever, kInfo)                             \
  X(NameTooLong, 9, ENAMETOOLONG, 400, kNever, kDebug)                      \
  X(TooManyLinks, 10, EMLINK, 409, kNever, kDebug)                          \
  X(CrossDevice, 11, EXDEV, 400, kNever, kDebug)                            \
  X(NoSpace, 12, ENOSPC, 507, kLater, kWarn)                                \
  X(QuotaExceeded, 13, EDQUOT, 507, kLater, kWarn)                          \
  X(FileTooLarge, 14, EFBIG, 413, kNever, kInfo)                            \
  X(NoAttribute, 15, ENODATA, 404, kNever, kDebug)                          \
  X(RangeTooSmall, 16, ERANGE, 400, kNever, kDebug)                         \
  X(NotSupported, 17, EOPNOTSUPP, 501, kNever, kDebug)                      \
  X(ReadOnly, 18, EROFS, 403, kNever, kInfo)                                \
  X(Stale, 19, ESTALE, 404, kNever, kInfo)                                  \
  X(Busy, 20, EBUSY, 503, kLater, kInfo)                                    \
  X(Interrupted, 21, EINTR, 499, kNever, kDebug)                            \
  X(Io, 22, EIO, 500, kNever, kError)                                       \
  X(Corrupt, 23, EIO, 500, kNever, kError)                                  \
  X(Internal, 24, EIO, 500, kNever, kError)                                 \
  X(TooManyOpenFiles, 25, ENFILE, 503, kLater, kWarn)                       \
  X(OutOfMemory, 26, ENOMEM, 503, kLater, kError)                           \
  X(BadHandle, 27, EBADF, 400, kNever, kInfo)                               \
  X(NoDevice, 28, ENXIO, 400, kNever, kDebug)                               \
  X(WouldBlock, 29, EAGAIN, 503, kLater, kDebug)                            \
  X(AttributeTooLarge, 30, E2BIG, 413, kNever, kDebug)                      \
  X(Loop, 31, ELOOP, 400, kNever, kDebug)                                   \
  X(NotPresent, 40, EIO, 503, kLater, kDebug)       /* local: must be fetched first; never leaves the client */ \
  X(Offline, 41, EIO, 503, kLater, kInfo)           /* the server cannot be reached */          \
  X(TimedOut, 42, ETIMEDOUT, 504, kLater, kInfo)                            \
  X(Cancelled, 43, EINTR, 499, kNever, kDebug)                              \
  X(Unauthenticated, 50, EACCES, 401, kRefresh, kInfo)                      \
  X(Forbidden, 51, EACCES, 403, kNever, kInfo)                              \
  X(RateLimited, 52, EBUSY, 429, kLater, kInfo)                             \
  X(Conflict, 53, EAGAIN, 409, kRefresh, kDebug)    /* a read object changed after base_seq */  \
  X(Resync, 54, ESTALE, 409, kRefresh, kWarn)       /* cursor or epoch is not the server's */   \
  X(TooLarge, 55, E2BIG, 413, kNever, kInfo)                                \
  X(Unprocessable, 56, EINVAL, 422, kNever, kInfo)                          \
  X(BlockMissing, 57, EIO, 422, kRefresh, kInfo)    /* a commit names a block that is not stored */ \
  X(BadCertificate, 58, EIO, 495, kNever, kError)                           \
  X(BadSignature, 59, EIO, 422, kNever, kError)                             \
  X(WrongPassword, 60, EACCES, 401, kNever, kInfo)                          \
  X(MethodNotAllowed, 61, EINVAL, 405, kNever, kInfo)                       \
  X(RangeNotSatisfiable, 62, EINVAL, 416, kNever, kInfo)                    \
  X(UnknownServer, 63, EIO, 421, kNever, kError)    /* empty or different server: stop and ask */ \
  X(Unavailable, 64, EIO, 503, kLater, kWarn)

enum class Code : std::uint16_t {
#define X(name, number, err, http, retry, level) k##name = number,
  SKYMOOR_ERROR_CODES(X)
#undef X
};

std::string_view name_of(Code code);          ///< "NotFound"
std::string_view wire_name_of(Code code);     ///< "not_found", as in the protocol's JSON errors
Code code_from_wire_name(std::string_view name, Code fallback);
int http_status_of(Code code);
Retry retry_of(Code code);
ErrorLevel level_of(Code code);
int errno_of(Code code);
/// The code that stands for a system errno; kIo for one the table does not name.
Code code_from_errno(int sys_errno);

/// One failure: code, the errno behind it (0 if none), a message for a person (no secret, says what to do where
/// something can be done), the place it was made, and what caused it. Cheap to move; immutable.
class [[nodiscard]] Error {
 public:
  Error(Code code, std::string message, std::source_location origin = std::source_location::current())
      : code_(code), message_(std::move(message)), origin_(origin) {}

  /// "open /x: No space left on device", code from the errno.
  static Error from_errno(int sys_errno, std::string_view what,
                          std::source_location origin = std::source_location::current());

  Code code() const { return code_; }
  int system_errno() const { return system_errno_; }
  const std::string& message() const { return message_; }
  const std::source_location& origin() const { return origin_; }
  const Error* cause() const { return cause_.get(); }

  /// This error as the cause of a new one that says what was being done.
  Error wrap(std::string context, std::source_location origin = std::source_location::current()) const;
  /// message, then ": " and each cause's.
  std::string to_string() const;

 private:
  Code code_;
  int system_errno_ = 0;
  std::string message_;
  std::source_location origin_;
  std::shared_ptr<const Error> cause_;
};

/// The errno a syscall answers for this error: the system's own where there is one, else the table's.
int errno_of(const Error& error);

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }
  T value_or(T other) const& { return ok() ? value() : std::move(other); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::make_unique<Error>(std::move(error))) {}  // NOLINT: implicit by design
  Result(Result&&) noexcept = default;
  Result& operator=(Result&&) noexcept = default;
  Result(const Result& other) : error_(other.error_ ? std::make_unique<Error>(*other.error_) : nullptr) {}
  Result& operator=(const Result& other) {
    error_ = other.error_ ? std::make_unique<Error>(*other.error_) : nullptr;
    return *this;
  }

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  void value() const {}
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::unique_ptr<Error> error_;
};

using Status = Result<void>;

/// The value of a Result, or return its error from the enclosing function: `auto fd = TRY(open_it());`
#define TRY(...)                                                                    \
  __extension__({                                                                   \
    auto try_result_ = (__VA_ARGS__);                                               \
    if (!try_result_.ok()) [[unlikely]] return std::move(try_result_).error();      \
    std::move(try_result_).value();                                                 \
  })

}  // namespace skymoor
