#include "fuse/sync/restore/give_back.h"

#include "fuse/sync/plan/conflict_name.h"
#include "shared/model/manifest.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kContentsAtOnce = 500;
constexpr std::size_t kMaxBytes = 5u << 20;       // of a commit, as far as they can be told beforehand
constexpr Sequence kNewer{~std::uint64_t{0}};     // than any state of the ended epoch
constexpr std::uint8_t kTimes = kFieldMtime | kFieldCtime;
constexpr std::uint8_t kGiven = kFieldMode | kFieldUid | kFieldGid | kTimes;

/// When it was looked at here is nobody else's business.
Attributes as_new(Attributes attributes) {
  attributes.atime = attributes.mtime;
  return attributes;
}

}  // namespace

bool GiveBack::full() {
  more_ = more_ || tree_.effect_count() >= d_.max_effects || tree_.effect_bytes() >= kMaxBytes;
  return more_;
}

Status GiveBack::find_open(const std::vector<InodeId>& lost) {
  TRY(d_.server.load(lost));
  for (InodeId inode : lost) {
    auto row = TRY(d_.mine.inode(inode));
    if (!row || row->links == 0) continue;
    Lost entry{std::move(*row), {}, false};
    for (DentryRow& link : TRY(d_.mine.links(inode))) {
      directories_.insert(link.directory);
      entry.places.push_back({link.directory, std::move(link.name)});
    }
    std::sort(entry.places.begin(), entry.places.end());
    if (entry.row.attributes.type == FileType::kDirectory) directories_.insert(inode);
    if (d_.history.touches(inode).given_back < entry.row.version) open_.emplace(inode, std::move(entry));
  }
  return find_deleted_directories();
}

/// Directories that the server still has, and the lost part had removed: what was moved out of them shows where it is.
Status GiveBack::find_deleted_directories() {
  std::vector<InodeId> look(directories_.begin(), directories_.end());
  while (!look.empty()) {
    const InodeId directory = look.back();
    look.pop_back();
    for (const auto& [name, inode] : *TRY(d_.server.entries(directory))) {
      if (directories_.contains(inode)) continue;
      const auto* row = TRY(d_.server.row(inode));
      if (!row || row->inode.attributes.type != FileType::kDirectory) continue;
      const auto mine = TRY(d_.mine.inode(inode));
      if ((mine && mine->links > 0) || !may_delete(inode)) continue;
      directories_.insert(inode);
      look.push_back(inode);
    }
  }
  return {};
}

Result<bool> GiveBack::wants_content(InodeId inode, const Lost& lost) {
  if (lost.row.attributes.type != FileType::kFile || lost.row.content == OpId{}) return false;
  const auto theirs = TRY(d_.server.node(inode));
  return !theirs || theirs->content != lost.row.content;
}

/// The next few contents that will be wanted, in one upload.
Status GiveBack::prepare_contents() {
  std::vector<LostContents::Wanted> wanted;
  for (const auto& [inode, lost] : open_) {
    if (lost.done || d_.contents.prepared(inode) || !TRY(wants_content(inode, lost))) continue;
    wanted.push_back({inode, lost.row.content});
    if (wanted.size() == kContentsAtOnce) break;
  }
  return d_.contents.prepare(wanted, d_.mine, d_.options);
}

Status GiveBack::run(const std::vector<InodeId>& lost) {
  TRY(find_open(lost));
  for (auto& [inode, entry] : open_) {
    if (entry.done) continue;
    if (full()) return {};
    if (TRY(wants_content(inode, entry)) && !d_.contents.prepared(inode)) TRY(prepare_contents());
    TRY(give(inode));
  }
  return deletions();
}

Status GiveBack::give(InodeId inode) {
  auto found = open_.find(inode);
  if (found == open_.end() || found->second.done) return {};
  Lost& lost = found->second;
  lost.done = true;
  const auto& touches = d_.history.touches(inode);
  const auto theirs = TRY(d_.server.node(inode));
  const bool wanted = TRY(wants_content(inode, lost));
  if (wanted && !d_.contents.prepared(inode))
    TRY(d_.contents.prepare({{inode, lost.row.content}}, d_.mine, d_.options));
  const bool held = wanted && d_.contents.manifest(inode);
  if (wanted && !held) missing_.push_back({inode, lost.row.content});
  // Never something empty in its place; another device may hold it.
  if (!theirs && wanted && !held) return {};
  // Deleted since, by somebody who had seen all there was.
  if (theirs && !theirs->live() && touches.names && !held) return {};
  if (!theirs) TRY(tree_.apply(NewEffect{inode, as_new(lost.row.attributes), lost.row.target}));
  if (inode != kRootInode) TRY(names(inode, lost));
  const auto now = TRY(tree_.node(inode));
  if (!now || !now->live()) return {};
  bool complete = !wanted || held;
  if (held) TRY(content(inode, lost, complete));
  TRY(attributes(inode, lost, complete));
  TRY(xattrs(inode));
  states_.push_back({inode, complete ? lost.row.version : Sequence{}});
  return {};
}

/// Whether this device knows that the inode has left a place that the server still shows.
Result<bool> GiveBack::left(InodeId inode, const Lost& lost, const Place& place) {
  if (std::binary_search(lost.places.begin(), lost.places.end(), place)) return false;
  auto here = d_.mine.dentry(place.directory, place.name);
  if (here.ok()) return *here != inode;
  if (here.error().code() != Code::kNotPresent) return std::move(here).error();
  return lost.row.attributes.type == FileType::kDirectory || lost.row.links == lost.places.size();
}

Status GiveBack::leave_old_places(InodeId inode, const Lost& lost) {
  for (const Place& place : TRY(d_.server.places(inode)))
    if (TRY(tree_.slot(place)) == inode && TRY(left(inode, lost, place)))
      TRY(tree_.apply(UnlinkEffect{place.directory, place.name, inode}));
  return {};
}

Status GiveBack::names(InodeId inode, const Lost& lost) {
  const auto theirs = TRY(d_.server.node(inode));
  // Moved since: the first to commit wins.
  if (theirs && theirs->live() && d_.history.touches(inode).names) return {};
  const bool directory = lost.row.attributes.type == FileType::kDirectory;
  const auto before = TRY(tree_.places(inode));
  bool placed = false;
  for (const Place& place : lost.places) placed = TRY(link_at(place, inode, directory)) || placed;
  if (!directory && placed) TRY(leave_old_places(inode, lost));
  const auto now = TRY(tree_.node(inode));
  if (now->live() || before.empty()) return {};
  // It could not go where it was meant to be: back to where it came from.
  if (!TRY(ensure_live(before.front().directory))) return {};
  const Place back = TRY(free_place(before.front(), directory));
  return tree_.apply(LinkEffect{back.directory, back.name, inode});
}

Status GiveBack::content(InodeId inode, const Lost& lost, bool& complete) {
  const Bytes manifest = *d_.contents.manifest(inode);
  const auto theirs = TRY(d_.server.node(inode));
  if (theirs && d_.history.touches(inode).content) {
    complete = true;
    return conflict_copy(inode, lost, manifest);
  }
  const Attributes& a = lost.row.attributes;
  manifests_[inode] = manifest;
  return tree_.apply(PutEffect{inode, lost.row.content, a.size, a.mtime, a.ctime, {}});
}

/// Somebody has written over an older state since: what was lost goes beside it.
Status GiveBack::conflict_copy(InodeId inode, const Lost& lost, const Bytes& manifest) {
  const auto places = TRY(tree_.places(inode));
  if (places.empty()) return {};
  const OpId id{d_.writer, ++d_.ids};
  const InodeId copy = make_inode_id(d_.writer, id.counter);
  Place place = places.front();
  for (unsigned attempt = 0;; ++attempt) {
    place.name = conflict_name(places.front().name, false, {d_.context.device_name, d_.now, id, attempt});
    if (!TRY(tree_.slot(place))) break;
  }
  const Attributes& a = lost.row.attributes;
  TRY(tree_.apply(NewEffect{copy, as_new(a), {}}));
  TRY(tree_.apply(LinkEffect{place.directory, place.name, copy}));
  manifests_[copy] = manifest;
  TRY(tree_.apply(PutEffect{copy, id, a.size, a.mtime, a.ctime, {}}));
  for (auto& [name, value] : TRY(d_.mine.xattrs(inode))) TRY(tree_.apply(XattrEffect{copy, name, std::move(value)}));
  states_.push_back({copy, kNewer});
  return {};
}

Status GiveBack::attributes(InodeId inode, const Lost& lost, bool complete) {
  const auto& touches = d_.history.touches(inode);
  const auto now = TRY(tree_.node(inode));
  std::uint8_t fields = kGiven;
  if (touches.attributes) fields &= kTimes;
  // A file's times go with its content.
  if (!now->directory() && (!complete || touches.content)) fields &= static_cast<std::uint8_t>(~kTimes);
  fields = differing_fields(now->attributes, lost.row.attributes, fields);
  if (!fields) return {};
  return tree_.apply(AttributeEffect{inode, fields, lost.row.attributes});
}

Status GiveBack::xattrs(InodeId inode) {
  if (d_.history.touches(inode).xattrs) return {};
  std::map<std::string, Bytes> theirs = TRY(d_.server.xattrs(inode));
  for (auto& [name, value] : TRY(d_.mine.xattrs(inode))) {
    auto it = theirs.find(name);
    const bool same = it != theirs.end() && it->second == value;
    if (!same) TRY(tree_.apply(XattrEffect{inode, name, value}));
    theirs.erase(name);
  }
  for (const auto& [name, value] : theirs) TRY(tree_.apply(XattrEffect{inode, name, std::nullopt}));
  return {};
}

Status GiveBack::fill_in(std::vector<TreeEffect>& effects) const {
  for (TreeEffect& effect : effects) {
    auto* put = std::get_if<PutEffect>(&effect);
    if (!put) continue;
    auto it = manifests_.find(put->inode);
    if (it == manifests_.end()) return Error(Code::kInternal, "a content to give back has no manifest");
    put->manifest = it->second;
  }
  return {};
}

/// What is left as it is may change: whatever comes of that, it is not this commit's doing.
std::set<PlannedRead> GiveBack::reads() const {
  std::set<PlannedRead> reads = emptied_;
  for (const auto& [inode, state] : tree_.nodes())
    if (state.base && (state.fields || !state.xattrs.empty() || !state.added.empty() || !state.removed.empty() ||
                       state.content_changed()))
      reads.insert({ReadKind::kInode, inode, {}});
  for (const auto& [place, state] : tree_.slots())
    if (state.base != state.now) reads.insert({ReadKind::kSlot, place.directory, place.name});
  return reads;
}

}  // namespace skymoor::client
