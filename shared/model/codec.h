// How ids and times are written in every format of the model: fixed width, little endian.
#pragma once
#include "shared/base/clock.h"
#include "shared/base/ids.h"

namespace skymoor::codec {

template <typename Tag>
void put(ByteWriter& out, NumberId<Tag, std::uint64_t> id) { out.u64(id.value); }
template <typename Tag>
void get(ByteReader& in, NumberId<Tag, std::uint64_t>& id) { id.value = in.u64(); }

template <typename Tag, std::size_t Size>
void put(ByteWriter& out, const BytesId<Tag, Size>& id) { out.raw(id.value); }
template <typename Tag, std::size_t Size>
void get(ByteReader& in, BytesId<Tag, Size>& id) {
  ByteView view = in.raw(Size);
  if (!view.empty()) std::memcpy(id.value.data(), view.data(), Size);
}

inline void put(ByteWriter& out, const OpId& op) {
  out.u32(op.writer.value);
  out.u64(op.counter);
}
inline void get(ByteReader& in, OpId& op) {
  op.writer = WriterId{in.u32()};
  op.counter = in.u64();
}

inline void put(ByteWriter& out, Timestamp t) { out.i64(t.time_since_epoch().count()); }
inline void get(ByteReader& in, Timestamp& t) { t = Timestamp{std::chrono::nanoseconds{in.i64()}}; }

}  // namespace skymoor::codec
