// What the tests of the block store share: a directory, a disk with faults, blocks with true ids.
#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include "backend-server/block_store/local/segment_block_store.h"
#include "shared/crypto/hash.h"

namespace skymoor::server {

inline std::string fresh_directory() {
  // In memory where there is such a place: these tests sync thousands of times.
  std::filesystem::path parent = "/dev/shm";
  if (!std::filesystem::is_directory(parent)) parent = std::filesystem::temp_directory_path();
  std::string path = (parent / "skymoor-block-store-XXXXXX").string();
  return ::mkdtemp(path.data());
}

/// Counts the disk's steps, and fails those a test asks for.
class Faults {
 public:
  FaultHook hook() {
    return [this](const FaultPoint& point) { return hit(point); };
  }
  int count(const std::string& name) {
    std::lock_guard lock(mutex_);
    return counts_[name];
  }
  /// From now on `decide` says how each step ends (0: well).
  void set(std::function<int(const FaultPoint&)> decide) {
    std::lock_guard lock(mutex_);
    decide_ = std::move(decide);
  }
  void fail(const std::string& name, int err) {
    set([name, err](const FaultPoint& p) { return p.name == name ? err : 0; });
  }
  void clear() { set(nullptr); }

 private:
  int hit(const FaultPoint& point) {
    std::function<int(const FaultPoint&)> decide;
    {
      std::lock_guard lock(mutex_);
      ++counts_[std::string(point.name)];
      decide = decide_;
    }
    return decide ? decide(point) : 0;  // without the lock: it may wait for other steps
  }
  std::mutex mutex_;
  std::map<std::string, int> counts_;
  std::function<int(const FaultPoint&)> decide_;
};

struct TestBlock {
  Bytes bytes;
  BlockId id;
  NewBlock as_new() const { return {id, bytes}; }
};

inline TestBlock make_block(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  Bytes bytes(size);
  for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(engine());
  return {bytes, BlockId{crypto::sha256(bytes).value}};
}

inline VolumeId make_volume(std::uint8_t n) {
  VolumeId id;
  id.value.fill(n);
  return id;
}

class SegmentStoreTest : public ::testing::Test {
 protected:
  SegmentStoreTest() { options_.directory = directory_, options_.reserve_bytes = 0; }
  ~SegmentStoreTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open() {
    store_.reset();
    auto opened = SegmentBlockStore::open(disk_, random_, options_);
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    store_ = std::move(*opened);
  }
  Status put(const TestBlock& b) {
    NewBlock fresh = b.as_new();
    return store_->put(volume_, {&fresh, 1});
  }
  bool has(const TestBlock& b) {
    auto there = store_->contains(volume_, {&b.id, 1});
    return there.ok() && (*there)[0];
  }
  bool reads(const TestBlock& b) {
    auto bytes = store_->get(volume_, b.id);
    return bytes.ok() && *bytes == b.bytes;
  }
  Code get_error(const TestBlock& b) {
    auto bytes = store_->get(volume_, b.id);
    return bytes.ok() ? Code{0} : bytes.error().code();
  }
  std::size_t remove(const TestBlock& b) {
    auto n = store_->remove(volume_, {&b.id, 1});
    EXPECT_TRUE(n.ok());
    return n.value_or(0);
  }
  std::string segment(std::uint32_t number) const { return segment::segment_path(directory_, number); }
  std::string hint(std::uint32_t number) const { return segment::hint_path(directory_, number); }

  /// What a kill -9 now would leave, as the directory of a new store.
  std::string copy_of_directory() const {
    std::filesystem::path copy = fresh_directory();
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
      std::filesystem::copy_file(entry.path(), copy / entry.path().filename());
    return copy;
  }
  static Bytes read_all(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
  }
  static void write_all(const std::string& path, ByteView bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  static void flip_bit(const std::string& path, std::uint64_t bit) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(bit / 8));
    char c = 0;
    file.get(c);
    file.seekp(static_cast<std::streamoff>(bit / 8));
    file.put(static_cast<char>(c ^ (1 << bit % 8)));
  }

  const std::string directory_ = fresh_directory();
  const VolumeId volume_ = make_volume(1);
  Faults faults_;
  PosixDisk disk_{faults_.hook()};
  SystemRandom random_;
  SegmentBlockStore::Options options_;
  std::unique_ptr<SegmentBlockStore> store_;
};

}  // namespace skymoor::server
