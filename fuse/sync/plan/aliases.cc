#include "fuse/sync/plan/aliases.h"

#include "shared/model/codec.h"

namespace skymoor::client {
namespace {
constexpr std::uint8_t kVersion = 3;              // 2: nothing of what was sent ahead
constexpr std::uint8_t kVersionWithoutFirst = 1;  // an equality began with the first record there was
constexpr std::size_t kMaxEntries = 1u << 22;

void put_place(ByteWriter& out, const Place& place) {
  codec::put(out, place.directory);
  out.text(place.name);
}
Place get_place(ByteReader& in) {
  Place place;
  codec::get(in, place.directory);
  place.name = in.text(kMaxNameBytes);
  return place;
}
/// In order of the ids, so that equal aliases are equal bytes: what has not changed is not written again.
template <typename Value>
std::map<InodeId, Value> in_order(const std::unordered_map<InodeId, Value>& values) {
  return {values.begin(), values.end()};
}
}  // namespace

InodeId Aliases::resolve(InodeId inode) const {
  // Chains are short; the bound ends a cycle that damage could have made.
  for (int step = 0; step < 1000; ++step) {
    auto it = inodes.find(inode);
    if (it == inodes.end()) return inode;
    inode = it->second;
  }
  return inode;
}

const Aliases::Copy* Aliases::copy_of(InodeId inode) const {
  auto it = copies.find(inode);
  return it == copies.end() ? nullptr : &it->second;
}

bool Aliases::ends_in(InodeId inode, Lsn lsn, OpId theirs) const {
  for (auto it = equals.lower_bound({inode, Lsn{}}); it != equals.end() && it->first.first == inode; ++it)
    if (it->first.second <= lsn && lsn <= it->second.up_to && it->second.theirs == theirs) return true;
  return false;
}

std::optional<OpId> Aliases::equal_at(InodeId inode, Lsn lsn) const {
  std::optional<OpId> newest;
  for (auto it = equals.lower_bound({inode, Lsn{}}); it != equals.end() && it->first.first == inode; ++it)
    if (it->second.up_to == lsn) newest = it->second.theirs;
  return newest;
}

void Aliases::note_commit(const std::vector<TreeEffect>& effects, WriterId writer, Lsn up_to, const Aliases& visible) {
  std::set<std::pair<InodeId, Place>> linked;
  for (const TreeEffect& effect : effects) {
    if (const auto* put = std::get_if<PutEffect>(&effect);
        put && put->content.writer == writer && put->content.counter > up_to.value)
      sent[put->inode] = {up_to, Lsn{put->content.counter}};
    if (const auto* link = std::get_if<LinkEffect>(&effect); link && !visible.moved.empty()) linked.emplace(link->inode, Place{link->directory, link->name});
  }
  for (const auto& [from, to] : visible.moved)
    if (linked.contains({from.second, to})) moved[from] = to;
}

bool Aliases::was_sent(InodeId inode, Lsn lsn) const {
  auto it = sent.find(inode);
  return it != sent.end() && it->second.after < lsn && lsn <= it->second.up_to;
}

void Aliases::forget_sent(Lsn acknowledged) {
  std::erase_if(sent, [&](const auto& one) { return one.second.up_to <= acknowledged; });
}

bool Aliases::conflicts() const {
  return !(inodes.empty() && copies.empty() && moved.empty() && shown.empty() && equals.empty());
}

void Aliases::merge(const Aliases& more) {
  for (const auto& [from, to] : more.inodes) inodes[from] = to;
  for (const auto& [from, to] : more.copies) copies[from] = to;
  for (const auto& [from, to] : more.moved) moved[from] = to;
  for (InodeId inode : more.shown) shown.insert(inode);
  for (const auto& [from, equal] : more.equals) equals[from] = equal;
  for (const auto& [inode, up_to] : more.sent) sent[inode] = up_to;
}

Aliases Aliases::renumbered(const Renumbering& numbers) const {
  const auto place = [&](Place at) {
    at.directory = numbers.of(at.directory);
    return at;
  };
  Aliases out;
  for (const auto& [from, to] : inodes) out.inodes[numbers.of(from)] = numbers.of(to);
  for (const auto& [from, to] : copies) out.copies[numbers.of(from)] = {numbers.of(to.inode), numbers.of(to.content)};
  for (const auto& [from, to] : moved) out.moved[{place(from.first), numbers.of(from.second)}] = place(to);
  for (InodeId inode : shown) out.shown.insert(numbers.of(inode));
  for (const auto& [from, equal] : equals)
    out.equals[{numbers.of(from.first), from.second}] = {equal.up_to, numbers.of(equal.theirs)};
  for (const auto& [inode, up_to] : sent) out.sent[numbers.of(inode)] = up_to;
  return out;
}

Bytes encode_aliases(const Aliases& aliases) {
  ByteWriter out;
  out.u8(kVersion);
  out.varint(aliases.inodes.size());
  for (const auto& [from, to] : in_order(aliases.inodes)) {
    codec::put(out, from);
    codec::put(out, to);
  }
  out.varint(aliases.copies.size());
  for (const auto& [from, copy] : in_order(aliases.copies)) {
    codec::put(out, from);
    codec::put(out, copy.inode);
    codec::put(out, copy.content);
  }
  out.varint(aliases.moved.size());
  for (const auto& [from, to] : aliases.moved) {
    put_place(out, from.first);
    codec::put(out, from.second);
    put_place(out, to);
  }
  out.varint(aliases.shown.size());
  for (InodeId inode : std::set<InodeId>(aliases.shown.begin(), aliases.shown.end())) codec::put(out, inode);
  out.varint(aliases.equals.size());
  for (const auto& [from, equal] : aliases.equals) {
    codec::put(out, from.first);
    codec::put(out, from.second);
    codec::put(out, equal.up_to);
    codec::put(out, equal.theirs);
  }
  out.varint(aliases.sent.size());
  for (const auto& [inode, range] : in_order(aliases.sent)) {
    codec::put(out, inode);
    codec::put(out, range.after);
    codec::put(out, range.up_to);
  }
  return out.take();
}

Result<Aliases> decode_aliases(ByteView bytes) {
  ByteReader in(bytes);
  const std::uint8_t version = in.u8();
  if (version == 0 || version > kVersion) return Error(Code::kCorrupt, "aliases of an unknown version");
  Aliases aliases;
  for (std::size_t n = in.count(kMaxEntries, 16); n > 0 && !in.failed(); --n) {
    InodeId from, to;
    codec::get(in, from);
    codec::get(in, to);
    aliases.inodes[from] = to;
  }
  for (std::size_t n = in.count(kMaxEntries, 28); n > 0 && !in.failed(); --n) {
    InodeId from;
    Aliases::Copy copy;
    codec::get(in, from);
    codec::get(in, copy.inode);
    codec::get(in, copy.content);
    aliases.copies[from] = copy;
  }
  for (std::size_t n = in.count(kMaxEntries, 26); n > 0 && !in.failed(); --n) {
    Place from = get_place(in);
    InodeId inode;
    codec::get(in, inode);
    aliases.moved[{std::move(from), inode}] = get_place(in);
  }
  for (std::size_t n = in.count(kMaxEntries, 8); n > 0 && !in.failed(); --n) {
    InodeId inode;
    codec::get(in, inode);
    aliases.shown.insert(inode);
  }
  for (std::size_t n = in.count(kMaxEntries, 28); n > 0 && !in.failed(); --n) {
    std::pair<InodeId, Lsn> from;
    Aliases::Equal equal;
    codec::get(in, from.first);
    if (version != kVersionWithoutFirst) codec::get(in, from.second);
    codec::get(in, equal.up_to);
    codec::get(in, equal.theirs);
    aliases.equals[from] = equal;
  }
  for (std::size_t n = version < kVersion ? 0 : in.count(kMaxEntries, 24); n > 0 && !in.failed(); --n) {
    InodeId inode;
    Aliases::Sent range;
    codec::get(in, inode);
    codec::get(in, range.after);
    codec::get(in, range.up_to);
    aliases.sent[inode] = range;
  }
  TRY(in.finish("aliases"));
  return aliases;
}

}  // namespace skymoor::client
