// The loops that tests/bench/run times: `bench_operations WORK PATH COUNT_OR_BYTES`, prints seconds.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "shared/crypto/hash.h"

namespace {

constexpr std::size_t kMiB = 1u << 20;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

/// Not the same in two runs: what a server has already is not sent again.
std::vector<char> noise(std::size_t size) {
  std::vector<char> out(size);
  std::mt19937_64 random(std::random_device{}());
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    std::uint64_t v = random();
    std::memcpy(out.data() + i, &v, 8);
  }
  return out;
}

/// Words of a vocabulary of 4,096, common ones often, as in a text: zstd makes less than half of it.
std::vector<char> text(std::size_t size) {
  std::mt19937_64 random(std::random_device{}());
  std::vector<std::string> words(4096);
  for (std::string& word : words)
    for (auto letters = 2 + random() % 9; letters > 0; --letters) word += static_cast<char>('a' + random() % 26);
  std::vector<char> out;
  out.reserve(size + 16);
  while (out.size() < size) {
    const double rank = std::pow(4096.0, std::uniform_real_distribution<>(0, 1)(random));
    const std::string& word = words[std::min<std::size_t>(static_cast<std::size_t>(rank), 4095)];
    out.insert(out.end(), word.begin(), word.end());
    out.push_back(random() % 10 == 0 ? '\n' : ' ');
  }
  out.resize(size);
  return out;
}

int open_or_fail(const std::string& path, int flags) {
  int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (fd < 0) fail(path.c_str());
  return fd;
}

double seconds_of(const std::function<void()>& work) {
  auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

using Content = std::vector<char> (*)(std::size_t);

void write_whole(const std::string& path, std::uint64_t bytes, int flags, Content content = noise) {
  auto data = content(kMiB);
  int fd = open_or_fail(path, O_WRONLY | flags);
  for (std::uint64_t at = 0; at < bytes; at += kMiB) {
    for (std::uint64_t i = 0; i < kMiB; i += 4096) {  // no two chunks alike, wherever they are cut
      const std::uint64_t place = at + i;
      std::memcpy(data.data() + i, &place, sizeof place);
    }
    if (::write(fd, data.data(), kMiB) != static_cast<ssize_t>(kMiB)) fail("write");
  }
  if (::close(fd) != 0) fail("close");
}

void read_whole(const std::string& path, std::uint64_t) {
  std::vector<char> buffer(kMiB);
  int fd = open_or_fail(path, O_RDONLY);
  ssize_t n;
  while ((n = ::read(fd, buffer.data(), buffer.size())) > 0) {
  }
  if (n < 0) fail("read");
  ::close(fd);
}

void random_access(const std::string& path, std::uint64_t count, bool write) {
  char buffer[4096] = {1};
  int fd = open_or_fail(path, write ? O_RDWR : O_RDONLY);
  struct stat st;
  if (::fstat(fd, &st) != 0) fail("fstat");
  std::mt19937_64 random(7);
  auto pages = static_cast<std::uint64_t>(st.st_size) / sizeof buffer;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto at = static_cast<off_t>(random() % pages * sizeof buffer);
    ssize_t n = write ? ::pwrite(fd, buffer, sizeof buffer, at) : ::pread(fd, buffer, sizeof buffer, at);
    if (n != static_cast<ssize_t>(sizeof buffer)) fail(write ? "pwrite" : "pread");
  }
  if (::close(fd) != 0) fail("close");
}

std::string name(const std::string& dir, const char* prefix, std::uint64_t i) {
  return dir + "/" + prefix + std::to_string(i);
}

void create_files(const std::string& dir, std::uint64_t count) {
  auto data = noise(4096);
  ::mkdir(dir.c_str(), 0755);
  for (std::uint64_t i = 0; i < count; ++i) {
    std::memcpy(data.data(), &i, sizeof i);
    int fd = open_or_fail(name(dir, "f", i), O_WRONLY | O_CREAT | O_EXCL);
    if (::write(fd, data.data(), data.size()) != 4096) fail("write");
    if (::close(fd) != 0) fail("close");
  }
}

/// Empty files, a thousand to a directory.
void create_tree(const std::string& root, std::uint64_t count) {
  ::mkdir(root.c_str(), 0755);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string dir = name(root, "d", i / 1000);
    if (i % 1000 == 0 && ::mkdir(dir.c_str(), 0755) != 0) fail("mkdir");
    ::close(open_or_fail(name(dir, "file-", i), O_WRONLY | O_CREAT | O_EXCL));
  }
}

void stat_files(const std::string& dir, std::uint64_t count) {
  struct stat st;
  for (std::uint64_t i = 0; i < count; ++i)
    if (::stat(name(dir, "f", i).c_str(), &st) != 0) fail("stat");
}

void read_directory(const std::string& dir, std::uint64_t count) {
  DIR* d = ::opendir(dir.c_str());
  if (!d) fail("opendir");
  std::uint64_t seen = 0;
  while (::readdir(d)) ++seen;
  ::closedir(d);
  if (seen != count + 2) {
    std::fprintf(stderr, "readdir: %lu names, expected %lu\n", seen, count + 2);
    std::exit(1);
  }
}

void rename_files(const std::string& dir, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i)
    if (::rename(name(dir, "f", i).c_str(), name(dir, "g", i).c_str()) != 0) fail("rename");
}

void unlink_files(const std::string& dir, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i)
    if (::unlink(name(dir, "g", i).c_str()) != 0) fail("unlink");
}

void sync_small_writes(const std::string& path, std::uint64_t count) {
  char buffer[512] = {1};
  int fd = open_or_fail(path, O_RDWR | O_CREAT);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (::pwrite(fd, buffer, sizeof buffer, static_cast<off_t>(i * sizeof buffer)) < 0) fail("pwrite");
    if (::fdatasync(fd) != 0) fail("fdatasync");
  }
  ::close(fd);
}

void hash(const std::string&, std::uint64_t bytes) {
  auto data = noise(kMiB);
  for (std::uint64_t at = 0; at < bytes; at += kMiB)
    (void)skymoor::crypto::sha256({reinterpret_cast<const std::uint8_t*>(data.data()), data.size()});
}

void compress(std::uint64_t bytes, Content content) {
  auto data = content(kMiB);
  std::vector<char> out(ZSTD_compressBound(kMiB));
  for (std::uint64_t at = 0; at < bytes; at += kMiB)
    if (ZSTD_isError(ZSTD_compress(out.data(), out.size(), data.data(), data.size(), 1))) fail("zstd");
}

const std::map<std::string, std::function<void(const std::string&, std::uint64_t)>> kWorks = {
    {"write", [](auto& p, auto n) { write_whole(p, n, O_CREAT | O_TRUNC); }},
    {"write-text", [](auto& p, auto n) { write_whole(p, n, O_CREAT | O_TRUNC, text); }},
    {"overwrite", [](auto& p, auto n) { write_whole(p, n, 0); }},
    {"read", read_whole},
    {"random-read", [](auto& p, auto n) { random_access(p, n, false); }},
    {"random-write", [](auto& p, auto n) { random_access(p, n, true); }},
    {"create", create_files},
    {"tree", create_tree},
    {"stat", stat_files},
    {"readdir", read_directory},
    {"rename", rename_files},
    {"unlink", unlink_files},
    {"fsync", sync_small_writes},
    {"sha256", hash},
    {"zstd", [](auto&, auto n) { compress(n, noise); }},
    {"zstd-text", [](auto&, auto n) { compress(n, text); }},
};

}  // namespace

int main(int argc, char** argv) {
  auto work = argc == 4 ? kWorks.find(argv[1]) : kWorks.end();
  if (work == kWorks.end()) {
    std::fprintf(stderr, "usage: bench_operations WORK PATH COUNT_OR_BYTES\n");
    return 2;
  }
  std::uint64_t amount = std::strtoull(argv[3], nullptr, 10);
  std::printf("%.6f\n", seconds_of([&] { work->second(argv[2], amount); }));
}
