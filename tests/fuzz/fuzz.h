// What every fuzz target is made of. A target reads bytes as an outsider may send them; it must not crash, must not ask
// for much memory, and what it accepts must come back the same from its own encoder.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "shared/base/bytes.h"
#include "shared/base/file.h"

namespace skymoor::fuzz {

/// The target: one input.
void try_input(ByteView input);
/// Valid inputs of the present formats to start from: made by the encoders, so that they never go stale.
std::vector<Bytes> seeds();

/// A property of the target; the input that breaks it is kept like one that crashes.
inline void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "property broken: %s\n", what);
  std::abort();
}

/// Takes an input apart: small numbers from the front choose what is done with the rest.
class Choices {
 public:
  explicit Choices(ByteView input) : rest_(input) {}
  unsigned below(unsigned bound) {
    if (rest_.empty()) return 0;
    const unsigned value = rest_.front() % bound;
    rest_ = rest_.subspan(1);
    return value;
  }
  ByteView take(std::size_t size) {
    const ByteView taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  ByteView rest() const { return rest_; }

 private:
  ByteView rest_;
};

inline Bytes with_choice(std::uint8_t choice, ByteView rest) {
  Bytes input{choice};
  append(input, rest);
  return input;
}

/// decode -> encode -> decode -> encode: both encodings are the same bytes. The first decoding may have accepted another
/// spelling of the same value.
template <typename Value, typename Encode, typename Decode>
void check_round_trip(const Value& value, Encode&& encode, Decode&& decode, const char* what) {
  const auto first = encode(value);
  auto again = decode(first);
  check(again.ok(), what);
  check(encode(*again) == first, what);
}

/// A read-only file that is the input.
class MemoryFile final : public File {
 public:
  explicit MemoryFile(ByteView bytes) : bytes_(bytes) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
    if (offset >= bytes_.size()) return std::size_t{0};
    const ByteView part = bytes_.subspan(offset, std::min<std::size_t>(out.size(), bytes_.size() - offset));
    std::copy(part.begin(), part.end(), out.begin());
    return part.size();
  }
  Status write_at(std::uint64_t, ByteView) override { return Error(Code::kReadOnly, "an input"); }
  Status sync() override { return {}; }
  Status truncate(std::uint64_t) override { return Error(Code::kReadOnly, "an input"); }
  Result<std::uint64_t> size() override { return std::uint64_t{bytes_.size()}; }
  int fd() const override { return -1; }

 private:
  const ByteView bytes_;
};

/// A disk with one file: the input, whatever path is asked for.
class InputDisk final : public Disk {
 public:
  explicit InputDisk(ByteView bytes) : bytes_(bytes) {}
  Result<std::unique_ptr<File>> open(const std::string&, OpenOptions) override {
    return std::unique_ptr<File>(std::make_unique<MemoryFile>(bytes_));
  }
  Status rename(const std::string&, const std::string&) override { return {}; }
  Status unlink(const std::string&) override { return {}; }
  Status make_directories(const std::string&, unsigned) override { return {}; }
  Status sync_directory(const std::string&) override { return {}; }
  Result<std::vector<std::string>> list(const std::string&) override { return std::vector<std::string>{}; }
  Result<std::uint64_t> free_bytes(const std::string&) override { return std::uint64_t{0}; }
  bool exists(const std::string&) override { return true; }
  Status fault(std::string_view, std::string_view) override { return {}; }

 private:
  const ByteView bytes_;
};

}  // namespace skymoor::fuzz
