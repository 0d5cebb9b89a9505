// skymoor bench: what a directory does in a second, beside the disk below. Rough by design: one run, files of its own.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>

#include "fuse/app/commands/commands.h"
#include "fuse/app/host/stop_signals.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kBlock = 1u << 20, kPage = 4096;
constexpr std::uint64_t kRandomAccesses = 4000;

/// A new directory in `parent`, gone with everything in it when this is.
class Workplace {
 public:
  static Result<std::unique_ptr<Workplace>> make(const std::string& parent, std::stop_token stop) {
    std::string path = parent + "/skymoor-bench-XXXXXX";
    if (!::mkdtemp(path.data())) return Error::from_errno(errno, "make a directory in " + parent);
    return std::make_unique<Workplace>(std::move(path), std::move(stop));
  }
  Workplace(std::string path, std::stop_token stop) : path_(std::move(path)), stop_(std::move(stop)) {}
  ~Workplace() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  std::string small(char prefix, std::uint64_t i) const { return path_ + "/" + prefix + std::to_string(i); }

  /// Errors: Interrupted.
  Status go_on() const {
    if (stop_.stop_requested()) return Error(Code::kInterrupted, "interrupted");
    return {};
  }

 private:
  const std::string path_;
  const std::stop_token stop_;
};

/// Bytes that nobody can compress.
std::vector<char> noise(std::size_t size) {
  std::vector<char> bytes(size);
  std::mt19937_64 random(std::random_device{}());
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    const std::uint64_t value = random();
    std::memcpy(bytes.data() + i, &value, 8);
  }
  return bytes;
}

Result<UniqueFd> open_file(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (!fd) return Error::from_errno(errno, "open " + path);
  return fd;
}

Status transfer(const Workplace& place, int fd, std::vector<char>& bytes, std::uint64_t offset, bool write) {
  TRY(place.go_on());
  const auto at = static_cast<off_t>(offset);
  const ssize_t n = write ? ::pwrite(fd, bytes.data(), bytes.size(), at) : ::pread(fd, bytes.data(), bytes.size(), at);
  if (n == static_cast<ssize_t>(bytes.size())) return {};
  return n < 0 ? Error::from_errno(errno, write ? "write" : "read") : Error(Code::kIo, "a file is shorter than it was written");
}

Status go_through(const Workplace& place, const BenchArguments& amount, int flags, bool write) {
  UniqueFd fd = TRY(open_file(place.file("large"), flags));
  std::vector<char> bytes = noise(kBlock);
  for (std::uint64_t i = 0; i < amount.megabytes; ++i) {
    std::memcpy(bytes.data(), &i, sizeof i);   // no two blocks alike
    TRY(transfer(place, fd.get(), bytes, i * kBlock, write));
  }
  return {};
}

Status jump_about(const Workplace& place, const BenchArguments& amount, bool write) {
  UniqueFd fd = TRY(open_file(place.file("large"), O_RDWR));
  std::vector<char> bytes = noise(kPage);
  std::mt19937_64 random(1);
  for (std::uint64_t i = 0; i < kRandomAccesses; ++i)
    TRY(transfer(place, fd.get(), bytes, random() % (amount.megabytes * kBlock / kPage) * kPage, write));
  return {};
}

Status create_files(const Workplace& place, const BenchArguments& amount) {
  std::vector<char> bytes = noise(kPage);
  for (std::uint64_t i = 0; i < amount.files; ++i) {
    UniqueFd fd = TRY(open_file(place.small('a', i), O_WRONLY | O_CREAT | O_EXCL));
    TRY(transfer(place, fd.get(), bytes, 0, true));
  }
  return {};
}

/// `call(i)` for each small file; 0 is success.
template <typename Call>
Status each_file(const Workplace& place, const BenchArguments& amount, const char* what, Call call) {
  for (std::uint64_t i = 0; i < amount.files; ++i) {
    TRY(place.go_on());
    if (call(i) != 0) return Error::from_errno(errno, what);
  }
  return {};
}

Status sync_often(const Workplace& place, const BenchArguments& amount) {
  UniqueFd fd = TRY(open_file(place.file("synced"), O_WRONLY | O_CREAT));
  std::vector<char> bytes = noise(512);
  for (std::uint64_t i = 0; i < amount.syncs; ++i) {
    TRY(transfer(place, fd.get(), bytes, i * bytes.size(), true));
    if (::fdatasync(fd.get()) != 0) return Error::from_errno(errno, "fdatasync");
  }
  return {};
}

struct Work {
  const char* name;
  const char* unit;
  std::function<double(const BenchArguments&)> amount;   ///< in the unit
  std::function<Status(const Workplace&, const BenchArguments&)> run;
};

/// In this order: each finds what the one before left.
std::vector<Work> works() {
  using Place = const Workplace&;
  using Amount = const BenchArguments&;
  auto megabytes = [](Amount a) { return static_cast<double>(a.megabytes) * kBlock / 1e6; };
  auto files = [](Amount a) { return static_cast<double>(a.files); };
  auto accesses = [](Amount) { return static_cast<double>(kRandomAccesses); };
  return {
      {"write, 1 MiB each", "MB/s", megabytes, [](Place p, Amount a) { return go_through(p, a, O_WRONLY | O_CREAT, true); }},
      {"overwrite, 1 MiB each", "MB/s", megabytes, [](Place p, Amount a) { return go_through(p, a, O_WRONLY, true); }},
      {"read again, 1 MiB each", "MB/s", megabytes, [](Place p, Amount a) { return go_through(p, a, O_RDONLY, false); }},
      {"random 4 KiB reads", "1/s", accesses, [](Place p, Amount a) { return jump_about(p, a, false); }},
      {"random 4 KiB writes", "1/s", accesses, [](Place p, Amount a) { return jump_about(p, a, true); }},
      {"new files of 4 KiB", "1/s", files, create_files},
      {"stat", "1/s", files, [](Place p, Amount a) {
         struct stat st;
         return each_file(p, a, "stat", [&](std::uint64_t i) { return ::stat(p.small('a', i).c_str(), &st); });
       }},
      {"rename", "1/s", files, [](Place p, Amount a) {
         return each_file(p, a, "rename", [&](std::uint64_t i) { return ::rename(p.small('a', i).c_str(), p.small('b', i).c_str()); });
       }},
      {"unlink", "1/s", files, [](Place p, Amount a) {
         return each_file(p, a, "unlink", [&](std::uint64_t i) { return ::unlink(p.small('b', i).c_str()); });
       }},
      {"write of 512 bytes + fdatasync", "1/s", [](Amount a) { return static_cast<double>(a.syncs); }, sync_often},
  };
}

Result<double> rate_of(const Work& work, const Workplace& place, const BenchArguments& amount) {
  const auto start = std::chrono::steady_clock::now();
  TRY(work.run(place, amount));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return work.amount(amount) / std::max(taken.count(), 1e-9);
}

void say_row(Console& console, const char* name, const char* unit, double here, std::optional<double> below) {
  char line[160];
  if (below) std::snprintf(line, sizeof line, "%-32s %12.0f %12.0f %8.2f  %s", name, here, *below, here / *below, unit);
  else std::snprintf(line, sizeof line, "%-32s %12.0f  %s", name, here, unit);
  console.say(line);
}

}  // namespace

Result<ExitCode> run_command(const BenchArguments& arguments, CommandContext& context) {
  std::string compare = arguments.compare;
  if (compare.empty() && context.disk.exists(context.paths.state)) compare = context.paths.state;
  std::stop_source stop;
  StopSignals signals(stop);   // what was made is removed then, too
  const auto here = TRY(Workplace::make(arguments.directory, stop.get_token()));
  std::unique_ptr<Workplace> below;
  if (!compare.empty()) below = TRY(Workplace::make(compare, stop.get_token()));

  char head[160];
  std::snprintf(head, sizeof head, "%-32s %12s %12s %8s", "", "here", below ? "compared" : "", below ? "ratio" : "");
  context.console.say(arguments.directory + (below ? ", compared with " + compare : ""));
  context.console.say(head);
  protocol::Json rows = protocol::Json::array();
  for (const Work& work : works()) {
    const double rate = TRY(rate_of(work, *here, arguments));
    std::optional<double> other;
    if (below) other = TRY(rate_of(work, *below, arguments));
    say_row(context.console, work.name, work.unit, rate, other);
    protocol::Json row = {{"work", work.name}, {"unit", work.unit}, {"here", rate}};
    row["compared"] = other ? protocol::Json(*other) : protocol::Json();
    rows.push_back(std::move(row));
  }
  context.console.result(protocol::dump({{"directory", arguments.directory},
                                         {"compared_with", below ? protocol::Json(compare) : protocol::Json()},
                                         {"works", rows}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
