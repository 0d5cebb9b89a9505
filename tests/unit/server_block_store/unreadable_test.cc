// Sectors that the disk cannot read.
#include "tests/unit/server_block_store/store_fixture.h"

namespace skymoor::server {
namespace {

/// A file some of whose bytes cannot be read.
class BadFile final : public File {
 public:
  BadFile(std::unique_ptr<File> file, std::uint64_t from, std::uint64_t to) : file_(std::move(file)), from_(from), to_(to) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
    if (offset < to_ && offset + out.size() > from_) return Error::from_errno(EIO, "a bad sector");
    return file_->read_at(offset, out);
  }
  Status write_at(std::uint64_t offset, ByteView data) override { return file_->write_at(offset, data); }
  Status sync() override { return file_->sync(); }
  Status truncate(std::uint64_t size) override { return file_->truncate(size); }
  Result<std::uint64_t> size() override { return file_->size(); }
  int fd() const override { return -1; }

 private:
  const std::unique_ptr<File> file_;
  const std::uint64_t from_, to_;
};

/// The machine's, on which bytes `from` to `to` of `path` cannot be read.
class BadDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override {
    auto file = TRY(disk_.open(path, options));
    if (path != bad_path || from == to) return file;
    return std::unique_ptr<File>(std::make_unique<BadFile>(std::move(file), from, to));
  }
  Status rename(const std::string& a, const std::string& b) override { return disk_.rename(a, b); }
  Status unlink(const std::string& path) override { return disk_.unlink(path); }
  Status make_directories(const std::string& path, unsigned mode) override { return disk_.make_directories(path, mode); }
  Status sync_directory(const std::string& path) override { return disk_.sync_directory(path); }
  Result<std::vector<std::string>> list(const std::string& path) override { return disk_.list(path); }
  Result<std::uint64_t> free_bytes(const std::string& path) override { return disk_.free_bytes(path); }
  bool exists(const std::string& path) override { return disk_.exists(path); }
  Status fault(std::string_view name, std::string_view detail) override { return disk_.fault(name, detail); }

  std::string bad_path;
  std::uint64_t from = 0, to = 0;

 private:
  PosixDisk disk_;
};

class Unreadable : public SegmentStoreTest {
 protected:
  ~Unreadable() override { store_.reset(); }   // before its disk

  /// Twenty blocks in one segment, after a kill or (`hinted`) an orderly end.
  void fill(bool hinted) {
    open();
    for (std::uint64_t i = 0; i < 20; ++i) blocks_.push_back(make_block(3000, i));
    for (const TestBlock& b : blocks_) ASSERT_TRUE(put(b).ok());
    const std::string copy = copy_of_directory();
    store_.reset();
    if (!hinted) {
      std::filesystem::remove_all(directory_);
      std::filesystem::rename(copy, directory_);
    } else {
      std::filesystem::remove_all(copy);
    }
    whole_ = read_all(segment(1));
    hint_ = read_all(hint(1));
    bad_.bad_path = segment(1);
  }
  void open_on_bad_disk() {
    auto opened = SegmentBlockStore::open(bad_, random_, options_);
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    store_ = std::move(*opened);
  }
  int readable() {
    int count = 0;
    for (const TestBlock& b : blocks_) count += reads(b);
    return count;
  }

  BadDisk bad_;
  std::vector<TestBlock> blocks_;
  Bytes whole_, hint_;
};

TEST_F(Unreadable, ASectorCostsItsOwnBlocksAndNothingIsCutOff) {
  for (bool hinted : {false, true}) {
    blocks_.clear();
    fill(hinted);
    const std::uint64_t sectors = whole_.size() / 4096;
    // With a hint the last one, which is not full, is written to again.
    for (std::uint64_t sector = 1; sector < sectors + !hinted; ++sector) {
      bad_.from = sector * 4096, bad_.to = bad_.from + 4096;
      open_on_bad_disk();
      // A sector touches three records of 3,000 bytes at most; behind the last whole one nothing is found without a hint.
      EXPECT_GE(readable(), sector + 2 < sectors ? 17 : 15) << sector << hinted;
      EXPECT_LT(readable(), 20) << sector;
      // What was lost is stored anew, and stays so.
      for (const TestBlock& b : blocks_) ASSERT_TRUE(put(b).ok());
      EXPECT_EQ(readable(), 20) << sector;
      for (int i = 0; i < 100; ++i) (void)store_->maintain();
      store_.reset();
      const Bytes left = read_all(segment(1));
      EXPECT_TRUE(left.size() >= whole_.size() && std::equal(whole_.begin(), whole_.end(), left.begin())) << "bytes that might be read another time are gone, sector " << sector;
      // The disk reads it again.
      bad_.to = bad_.from;
      for (std::uint32_t number = 2; number < 5; ++number) {
        std::filesystem::remove(segment(number));
        std::filesystem::remove(hint(number));
      }
      open_on_bad_disk();
      EXPECT_EQ(readable(), 20) << sector << hinted;
      store_.reset();
      if (hinted) write_all(hint(1), hint_);
      else std::filesystem::remove(hint(1));
      write_all(segment(1), whole_);
    }
    std::filesystem::remove_all(directory_);
  }
}

TEST_F(Unreadable, NothingOfItIsCompactedAway) {
  options_.segment_bytes = 64 * 1024;
  fill(false);
  // The header of one block: nothing knows of it, and nothing counts as damaged.
  bad_.from = 4096, bad_.to = 8192;
  open_on_bad_disk();
  for (std::size_t i = 3; i < blocks_.size(); ++i) remove(blocks_[i]);
  for (std::uint64_t i = 100; i < 160; ++i) ASSERT_TRUE(put(make_block(3000, i)).ok());
  for (std::uint64_t i = 100; i < 125; ++i) remove(make_block(3000, i));
  bool more = true;
  for (int i = 0; i < 100 && more; ++i) {
    const auto step = store_->maintain();
    ASSERT_TRUE(step.ok()) << step.error().to_string();
    more = *step;
  }
  EXPECT_FALSE(more);
  EXPECT_TRUE(std::filesystem::exists(segment(1)));
  EXPECT_FALSE(std::filesystem::exists(segment(2))) << "others wait for it";
  const Bytes left = read_all(segment(1));
  EXPECT_TRUE(left.size() >= whole_.size() && std::equal(whole_.begin(), whole_.end(), left.begin()));
}

TEST_F(Unreadable, AHeaderThatCannotBeReadIsReplacedByTheHint) {
  fill(true);
  bad_.from = 0, bad_.to = 64;
  open_on_bad_disk();
  EXPECT_EQ(readable(), 20);
  store_.reset();
  std::filesystem::remove(hint(1));
  auto opened = SegmentBlockStore::open(bad_, random_, options_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), Code::kIo);
  EXPECT_TRUE(std::filesystem::exists(segment(1))) << "it is not set aside for what may be over tomorrow";
}

}  // namespace
}  // namespace skymoor::server
