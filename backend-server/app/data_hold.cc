#include "backend-server/app/data_hold.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace skymoor::server {
namespace {

constexpr std::chrono::seconds kPatience{60};   // for a step of the server's
constexpr std::chrono::milliseconds kLook{20};

Result<UniqueFd> lock_file(const std::string& directory) {
  const std::string path = directory + "/backup.lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return Error::from_errno(errno, path);
  // Made by root, it is the server's all the same: what it cannot open would keep it from compacting for good.
  struct stat owner {};
  if (::geteuid() == 0 && ::stat(directory.c_str(), &owner) == 0) (void)!::fchown(fd.get(), owner.st_uid, owner.st_gid);
  return fd;
}

}  // namespace

Result<DataHold> DataHold::take(const std::string& directory) {
  UniqueFd fd = TRY(lock_file(directory));
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return Error::from_errno(errno, "lock " + directory + "/backup.lock");
    if (std::chrono::steady_clock::now() > until) return Error(Code::kBusy, "another backup of " + directory + " is being made, or its server compacts blocks: try again");
    std::this_thread::sleep_for(kLook);
  }
  return DataHold(std::move(fd));
}

Result<DataHold> DataHold::share(const std::string& directory) {
  UniqueFd fd = TRY(lock_file(directory));
  if (::flock(fd.get(), LOCK_SH | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Error(Code::kBusy, "a backup is being made");
    return Error::from_errno(errno, "lock " + directory + "/backup.lock");
  }
  return DataHold(std::move(fd));
}

}  // namespace skymoor::server
