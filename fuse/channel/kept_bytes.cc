#include "fuse/channel/kept_bytes.h"

namespace skymoor::client {
namespace {

struct Place {
  Place(std::atomic<std::size_t>& all, std::size_t wanted) : used(all), size(wanted) {}
  ~Place() { used.fetch_sub(size, std::memory_order_relaxed); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  std::atomic<std::size_t>& used;
  const std::size_t size;
  Bytes bytes;
};

}  // namespace

Result<KeptBytes::Kept> KeptBytes::room_for(std::size_t size) {
  auto place = std::make_shared<Place>(used_, size);
  if (used_.fetch_add(size, std::memory_order_relaxed) + size > kMaxBytes)
    return Error(Code::kUnavailable, "too much that is to be written waits for the server");
  place->bytes.resize(size);
  return Kept(place, &place->bytes);
}

}  // namespace skymoor::client
