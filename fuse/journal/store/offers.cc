#include "fuse/journal/store/offers.h"

#include <algorithm>

#include "shared/model/codec.h"

namespace skymoor::client {
namespace {
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kEntryBytes = 40;
}  // namespace

void Offers::add(Lsn up_to, const Hash256& body, Lsn acknowledged) {
  std::erase_if(listed, [&](const Offer& offer) { return offer.up_to <= acknowledged; });
  listed.push_back({up_to, body});
  while (listed.size() > kMaxListed) {
    floor = std::max(floor, listed.front().up_to);
    listed.erase(listed.begin());
  }
}

bool Offers::contains(Lsn up_to, const Hash256& body) const {
  if (up_to <= floor) return true;
  return std::any_of(listed.begin(), listed.end(),
                     [&](const Offer& offer) { return offer.up_to == up_to && offer.body == body; });
}

Lsn Offers::last() const {
  Lsn last = floor;
  for (const Offer& offer : listed) last = std::max(last, offer.up_to);
  return last;
}

Bytes encode_offers(const Offers& offers) {
  ByteWriter out;
  out.u8(kVersion);
  codec::put(out, offers.floor);
  out.varint(offers.listed.size());
  for (const Offers::Offer& offer : offers.listed) {
    codec::put(out, offer.up_to);
    codec::put(out, offer.body);
  }
  return out.take();
}

Result<Offers> decode_offers(ByteView bytes) {
  ByteReader in(bytes);
  if (in.u8() != kVersion) return Error(Code::kCorrupt, "offers of an unknown version");
  Offers offers;
  codec::get(in, offers.floor);
  for (std::size_t n = in.count(Offers::kMaxListed, kEntryBytes); n > 0 && !in.failed(); --n) {
    Offers::Offer offer;
    codec::get(in, offer.up_to);
    codec::get(in, offer.body);
    offers.listed.push_back(offer);
  }
  TRY(in.finish("offers"));
  return offers;
}

}  // namespace skymoor::client
