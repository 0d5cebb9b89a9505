#include "fuse/app/state/session_file.h"

#include <fcntl.h>
#include <sys/file.h>

#include "fuse/app/state/state_file.h"
#include "fuse/remote/backoff.h"

namespace skymoor::client {
namespace {

constexpr std::chrono::milliseconds kLockCheck{20};

class FileTurn final : public SessionStore::Turn {
 public:
  FileTurn(Disk& disk, std::string file, UniqueFd lock) : disk_(disk), file_(std::move(file)), lock_(std::move(lock)) {}
  Status save(const SessionTokens& tokens) override {
    return write_state_file(disk_, file_, "session",
                            {{"refresh_token", tokens.refresh_token},
                             {"access_token", tokens.access_token},
                             {"access_expires", protocol::to_milliseconds(tokens.access_expires)}},
                            WhenFull::kOverwrite);
  }
  Status remove() {
    Status removed = disk_.unlink(file_);
    if (!removed.ok() && removed.error().code() != Code::kNotFound) return removed;
    return {};
  }

 private:
  Disk& disk_;
  const std::string file_;
  const UniqueFd lock_;
};

Result<std::unique_ptr<FileTurn>> lock_turn(Disk& disk, const std::string& file, const std::string& lock_file,
                                            const CallOptions& options) {
  UniqueFd lock(::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return Error::from_errno(errno, "open " + lock_file);
  const auto deadline = std::chrono::steady_clock::now() + options.timeout;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return Error::from_errno(errno, "lock " + lock_file);
    if (std::chrono::steady_clock::now() >= deadline)
      return Error(Code::kTimedOut, "another skymoor process is still renewing the login");
    if (!sleep_unless_stopped(kLockCheck, options.stop)) return Error(Code::kCancelled, "cancelled");
  }
  return std::make_unique<FileTurn>(disk, file, std::move(lock));
}

}  // namespace

Result<SessionTokens> FileSessionStore::load() {
  auto json = read_state_file(disk_, file_, "session");
  if (!json.ok()) {
    if (json.error().code() == Code::kNotFound)
      return Error(Code::kUnauthenticated, "this device is logged out: run 'skymoor login'");
    return json.error();
  }
  protocol::FieldReader in(*json, "");
  SessionTokens tokens;
  tokens.refresh_token = in.text("refresh_token", 4096, 1);
  tokens.access_token = in.text("access_token", 8192);
  tokens.access_expires = in.time("access_expires");
  if (Status read = in.finish(); !read.ok()) return damaged_state_file(file_, read.error());
  return tokens;
}

Result<std::unique_ptr<SessionStore::Turn>> FileSessionStore::take_turn(const CallOptions& options) {
  return std::unique_ptr<Turn>(TRY(lock_turn(disk_, file_, lock_file_, options)));
}

Status FileSessionStore::replace(const SessionTokens& tokens, const CallOptions& options) {
  return TRY(take_turn(options))->save(tokens);
}

Status FileSessionStore::remove(const CallOptions& options) {
  return TRY(lock_turn(disk_, file_, lock_file_, options))->remove();
}

}  // namespace skymoor::client
