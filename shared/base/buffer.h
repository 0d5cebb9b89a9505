// Buffer: memory that will be overwritten at once.
#pragma once
#include <algorithm>
#include <memory>
#include <utility>

#include "shared/base/bytes.h"

namespace skymoor {

/// Bytes that are not initialised when they are made: 8 MiB that a socket or a file is about to fill need no zeros. Moved,
/// never copied.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : data_(std::make_unique_for_overwrite<std::uint8_t[]>(size)), size_(size) {}
  explicit Buffer(ByteView content) : Buffer(content.size()) { std::copy(content.begin(), content.end(), data_.get()); }
  Buffer(Buffer&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  ByteView view() const { return {data_.get(), size_}; }
  operator ByteView() const { return view(); }  // NOLINT: it is one
  std::span<std::uint8_t> writable() { return {data_.get(), size_}; }
  std::size_t size() const { return size_; }
  /// What lies behind stays allocated.
  void shrink(std::size_t size) { size_ = std::min(size_, size); }

 private:
  std::unique_ptr<std::uint8_t[]> data_;
  std::size_t size_ = 0;
};

}  // namespace skymoor
