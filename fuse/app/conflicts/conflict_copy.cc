#include "fuse/app/conflicts/conflict_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "fuse/app/state/copy_file.h"
#include "shared/base/fd.h"

namespace skymoor::client {
namespace {

constexpr std::string_view kOpening = " (conflict ";
constexpr int kMaxAttempts = 1000;

bool is_date(std::string_view text) {
  if (text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i == 4 || i == 7 ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  return true;
}

/// "WRITER-COUNTER[-ATTEMPT]", the first two in hex.
std::optional<WriterId> read_writer(std::string_view id) {
  std::uint32_t writer = 0;
  std::uint64_t counter = 0;
  const char* end = id.data() + id.size();
  auto first = std::from_chars(id.data(), end, writer, 16);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') return std::nullopt;
  auto second = std::from_chars(first.ptr + 1, end, counter, 16);
  if (second.ec != std::errc() || (second.ptr != end && *second.ptr != '-')) return std::nullopt;
  return WriterId{writer};
}

std::string joined(const std::string& path, const std::string& name) {
  return (std::filesystem::path(path).parent_path() / name).string();
}

/// "report (laptop 2026-03-01).odt", or with a number while that is taken.
std::string plain_name(const ConflictName& name, int attempt) {
  const auto dot = name.original.rfind('.');
  const bool has_extension = dot != std::string::npos && dot != 0;
  std::string suffix = " (" + name.device + " " + name.date + (attempt > 0 ? " " + std::to_string(attempt) : "") + ")";
  if (!has_extension) return name.original + suffix;
  return name.original.substr(0, dot) + suffix + name.original.substr(dot);
}

Result<std::string> rename_plainly(const ConflictCopy& copy) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const std::string to = joined(copy.path, plain_name(copy.name, attempt));
    if (::renameat2(AT_FDCWD, copy.path.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return to;
    if (errno != EEXIST) return Error::from_errno(errno, copy.path);
  }
  return Error(Code::kAlreadyExists, "there is no free name for " + copy.path);
}

/// Over a file with several names: each of them is to have the copy's content. The copy goes last; where something fails
/// before the writing, nothing was done.
Status write_over(const std::string& copy, const std::string& original, const struct stat& held, const std::string& scratch) {
  const UniqueFd from(::open(copy.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat read = {}, now = {};
  if (!from || ::fstat(from.get(), &read) != 0) return Error::from_errno(errno, copy);
  const UniqueFd content = TRY(nameless_file(scratch));   // all of it is here before anything is overwritten
  if (Status copied = copy_file(from.get(), content.get()); !copied.ok()) return copied.error().wrap(copy);
  const UniqueFd to(::open(original.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!to || ::fstat(to.get(), &now) != 0) return Error::from_errno(errno, original);
  if (!is_unchanged(held, now)) return Error(Code::kBusy, original + " changed meanwhile; nothing was done");
  auto write = [&]() -> Status {
    if (::ftruncate(to.get(), 0) != 0) return Error::from_errno(errno, "emptying");
    TRY(copy_file(content.get(), to.get()));
    if (::fsync(to.get()) != 0) return Error::from_errno(errno, "fsync");
    return {};
  };
  if (Status written = write(); !written.ok())
    return written.error().wrap(original + " is replaced in part only (what it held is a version: 'skymoor versions' lists it), and the copy stays");
  if (::fstat(from.get(), &now) != 0 || !is_unchanged(read, now))
    return Error(Code::kBusy, copy + " changed meanwhile: it stays, beside " + original + ", which has what it held before");
  if (::unlink(copy.c_str()) != 0) return Error::from_errno(errno, copy);
  return {};
}

}  // namespace

std::optional<ConflictName> parse_conflict_name(std::string_view name) {
  const auto open = name.rfind(kOpening);
  if (open == std::string_view::npos || open == 0) return std::nullopt;
  const auto close = name.find(')', open);
  if (close == std::string_view::npos) return std::nullopt;
  const std::string_view rest = name.substr(close + 1);
  if (!rest.empty() && rest.front() != '.') return std::nullopt;
  std::string_view inside = name.substr(open + kOpening.size(), close - open - kOpening.size());
  const auto before_id = inside.rfind(' ');
  if (before_id == std::string_view::npos) return std::nullopt;
  const auto writer = read_writer(inside.substr(before_id + 1));
  inside = inside.substr(0, before_id);
  const auto before_date = inside.rfind(' ');
  if (!writer || before_date == std::string_view::npos || !is_date(inside.substr(before_date + 1))) return std::nullopt;
  return ConflictName{std::string(name.substr(0, open)) + std::string(rest), std::string(inside.substr(0, before_date)),
                      std::string(inside.substr(before_date + 1)), *writer};
}

std::string ConflictCopy::original_path() const { return joined(path, name.original); }

std::vector<ConflictCopy> find_conflicts(const std::string& path, const std::function<void(const Error&)>& unreadable) {
  std::vector<ConflictCopy> found;
  auto look_at = [&](const std::filesystem::path& at) {
    if (auto name = parse_conflict_name(at.filename().string())) found.push_back({at.string(), *std::move(name)});
  };
  struct stat top = {}, st = {};
  if (::lstat(path.c_str(), &top) != 0) {
    unreadable(Error::from_errno(errno, path));
    return found;
  }
  look_at(path);
  std::vector<std::filesystem::path> left;
  if (S_ISDIR(top.st_mode)) left.emplace_back(path);
  while (!left.empty()) {
    const auto directory = std::move(left.back());
    left.pop_back();
    std::error_code failed;
    std::filesystem::directory_iterator entry(directory, failed), end;
    for (; !failed && entry != end; entry.increment(failed)) {
      look_at(entry->path());
      const bool deeper = entry->symlink_status(failed).type() == std::filesystem::file_type::directory;
      if (!failed && deeper && ::lstat(entry->path().c_str(), &st) == 0 && st.st_dev == top.st_dev)
        left.push_back(entry->path());
      failed.clear();   // an entry that went meanwhile is nobody's conflict
    }
    if (failed) unreadable(Error::from_errno(failed.value(), directory.string()));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return found;
}

Result<std::string> resolve_conflict(const ConflictCopy& copy, ConflictSide keep, const std::string& scratch,
                                     const std::function<Status(const std::string& path)>& hold) {
  struct stat mine = {}, other = {};
  if (::lstat(copy.path.c_str(), &mine) != 0) return Error::from_errno(errno, copy.path);
  if (keep == ConflictSide::kBoth) return rename_plainly(copy);
  const std::string original = copy.original_path();
  const bool has_original = ::lstat(original.c_str(), &other) == 0;
  if (!has_original && keep == ConflictSide::kOriginal)
    return Error(Code::kNotFound, "there is no " + original + " any more: keep the copy");
  const bool directories = S_ISDIR(mine.st_mode) || (has_original && S_ISDIR(other.st_mode));
  if (directories && has_original)
    return Error(Code::kIsDirectory, "one of the two is a directory: look into both, or --keep both");
  if (keep == ConflictSide::kOriginal) {
    TRY(hold(copy.path));
    if (::unlink(copy.path.c_str()) != 0) return Error::from_errno(errno, copy.path);
    return std::string();
  }
  if (has_original && mine.st_ino == other.st_ino)
    return Error(Code::kInvalidArgument, copy.path + " and " + original + " are one file under two names: remove one of them");
  if (has_original) TRY(hold(original));
  if (has_original && S_ISREG(mine.st_mode) && S_ISREG(other.st_mode) && other.st_nlink > 1) {
    TRY(write_over(copy.path, original, other, scratch));
    return original;
  }
  if (::renameat2(AT_FDCWD, copy.path.c_str(), AT_FDCWD, original.c_str(), has_original ? 0 : RENAME_NOREPLACE) != 0)
    return Error::from_errno(errno, copy.path);
  return original;
}

}  // namespace skymoor::client
