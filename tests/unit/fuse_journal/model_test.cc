// Random operations, feed entries, checkpoints, crashes and re-plans against a reference.
#include <deque>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>

#include "fuse/journal/confirmed/confirmed_edit.h"
#include "fuse/journal/log/segment.h"
#include "journal_support.h"

namespace skymoor::client {
namespace {

constexpr std::uint8_t kFields = kFieldMode | kFieldUid | kFieldGid | kFieldMtime | kFieldCtime;

// What a server would hold, without times.
std::string confirmed_text(const InodeRow& row) {
  std::ostringstream out;
  out << row.id.value << " mode " << row.attributes.mode << " size " << row.attributes.size << " links " << row.links
      << " content " << row.content.writer.value << "." << row.content.counter;
  return out.str();
}

class Model {
 public:
  explicit Model(std::uint32_t seed) : random_(seed) {
    options_ = quiet_options("");
    options_.cached_inodes = options_.cached_dentries = seed % 2 ? 6 : 1000;
    options_.segment_bytes = seed % 3 ? 3000 : 1u << 20;
    options_.max_unchecked_records = seed % 5 ? 1000 : 7;
    fresh_directory();
    open();
    EXPECT_TRUE(tree_.make_root().ok());
    EXPECT_TRUE(store_->merge_listing(kRootInode, Sequence{0}, {.inode = Reference().inodes.at(kRootInode).row}, {}, true).ok());
  }

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      step();
      verify();
    }
    auto findings = store_->check();
    ASSERT_TRUE(findings.ok()) << findings.error().to_string();
    EXPECT_THAT(*findings, testing::IsEmpty());
    verify();
  }

 private:
  std::uint32_t pick(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }

  void fresh_directory() {
    directories_.push_back(std::make_unique<TemporaryDirectory>());
    options_.directory = directories_.back()->path();
  }
  void open() {
    auto store = MetadataStore::open(disk_, clock_, options_, test_identity(), nullptr);
    ASSERT_TRUE(store.ok()) << store.error().to_string();
    store_ = std::move(*store);
    tree_.use(*store_);
  }

  void step() {
    std::uint32_t kind = pick(100);
    Lsn before = store_->last_lsn();
    if (kind < 60) local();
    else if (kind < 70) foreign();
    else if (kind < 78) acknowledge();
    else if (kind < 84) { trace("checkpoint"); EXPECT_TRUE(store_->checkpoint().ok()); }
    else if (kind < 87) reopen();
    else if (kind < 92) crash();
    else if (kind < 94) torn();
    else if (kind < 97) rebase();
    else note();
    remember(before);
  }

  void trace(const std::string& what) { trace_.push_back(what); }

  // ---- local operations ----

  InodeId directory() {
    std::vector<InodeId> all;
    for (auto& [id, file] : tree_.reference.inodes)
      if (file.row.attributes.type == FileType::kDirectory && file.row.links > 0) all.push_back(id);
    return all[pick(static_cast<std::uint32_t>(all.size()))];
  }
  std::string name() { return std::string(1, static_cast<char>('a' + pick(5))); }
  const DentryRow* entry() {
    auto& dentries = tree_.reference.dentries;
    if (dentries.empty()) return nullptr;
    return &std::next(dentries.begin(), pick(static_cast<std::uint32_t>(dentries.size())))->second;
  }
  bool is_empty(InodeId id) {
    auto it = tree_.reference.dentries.lower_bound({id, ""});
    return it == tree_.reference.dentries.end() || it->first.first != id;
  }
  bool inside(InodeId inner, InodeId outer) {
    for (InodeId at = inner; at != kRootInode; at = tree_.reference.inodes.at(at).row.parent)
      if (at == outer) return true;
    return false;
  }

  void local() {
    InodeId dir = directory();
    std::string name = this->name();
    bool there = tree_.reference.dentries.count({dir, name});
    const DentryRow* entry = this->entry();
    Status done;
    std::uint32_t kind = pick(12);
    trace("local " + std::to_string(kind) + " in " + std::to_string(dir.value) + " name " + name + " entry " +
          (entry ? entry->name + " inode " + std::to_string(entry->inode.value) : "none"));
    if (kind < 3 || !entry) {
      if (there) return;
      static constexpr FileType kTypes[] = {FileType::kFile, FileType::kFile, FileType::kDirectory, FileType::kSymlink};
      auto made = tree_.create(dir, name, kTypes[pick(4)]);
      EXPECT_TRUE(made.ok());
      return;
    }
    InodeId id = entry->inode;
    bool is_file = entry->type == FileType::kFile, is_directory = entry->type == FileType::kDirectory;
    std::uint64_t at = pick(50) * 100;
    if (kind == 3 && (!is_directory || is_empty(id))) done = tree_.unlink(entry->directory, entry->name, pick(4) == 0);
    if (kind == 4 && !is_directory && !there) done = tree_.link(id, dir, name);
    if (kind == 5 && (!is_directory || !inside(dir, id))) {
      auto target = tree_.reference.dentries.find({dir, name});
      bool over = target != tree_.reference.dentries.end();
      bool fine = !over || (!is_directory && target->second.type != FileType::kDirectory && target->second.inode != id);
      if (fine) done = tree_.rename(entry->directory, std::string(entry->name), dir, name);
    }
    if (kind == 6) done = tree_.chmod(id, pick(0777));
    if (kind == 7 && is_file) done = tree_.write(id, {at, at + 150});
    if (kind == 8 && is_file) done = tree_.truncate(id, at);
    if (kind == 9) done = tree_.set_xattr(id, "user." + this->name(), std::to_string(at));
    if (kind == 10 && !tree_.reference.inodes.at(id).xattrs.empty())
      done = tree_.remove_xattr(id, std::string(tree_.reference.inodes.at(id).xattrs.begin()->first));
    if (kind == 11 && is_file && pick(3) == 0) done = tree_.put_manifest(id, Manifest{4, to_bytes(name + "xyz"), {}});
    EXPECT_TRUE(done.ok()) << done.error().to_string();
  }

  // Which objects the record before changed, for knowing what is pending; and the tree as it was at each record.
  void remember(Lsn before) {
    if (store_->last_lsn() == before) return;
    auto records = store_->records_after(before, 100, 1 << 20);
    ASSERT_TRUE(records.ok());
    for (const LogRecord& record : *records) {
      for (const RowChange& change : record.changes) {
        if (auto* c = std::get_if<PutInode>(&change)) pending_inodes_[c->row.id] = record.lsn;
        if (auto* c = std::get_if<EraseInode>(&change)) pending_inodes_[c->inode] = record.lsn;
        if (auto* c = std::get_if<PutXattr>(&change)) pending_inodes_[c->inode] = record.lsn;
        if (auto* c = std::get_if<EraseXattr>(&change)) pending_inodes_[c->inode] = record.lsn;
        if (auto* c = std::get_if<MarkContent>(&change)) pending_inodes_[c->inode] = record.lsn;
        if (auto* c = std::get_if<PutDentry>(&change)) pending_names_[{c->row.directory, c->row.name}] = record.lsn;
        if (auto* c = std::get_if<EraseDentry>(&change)) pending_names_[{c->directory, c->name}] = record.lsn;
      }
      history_.emplace_back(record.lsn, tree_.reference);
    }
  }
  bool pending(InodeId id) {
    auto it = pending_inodes_.find(id);
    return it != pending_inodes_.end() && it->second > store_->position().acknowledged;
  }
  bool pending(InodeId directory, const std::string& name) {
    auto it = pending_names_.find({directory, name});
    return it != pending_names_.end() && it->second > store_->position().acknowledged;
  }

  // ---- the server ----

  Hash256 hash() { return {}; }

  // The commit that turns the confirmed tree into `now`.
  std::vector<TreeEffect> difference(const Reference& now) {
    std::vector<TreeEffect> effects;
    std::set<InodeId> named;
    for (auto& [key, dentry] : now.dentries) named.insert(dentry.inode);
    for (InodeId id : named)
      if (!confirmed_.inodes.count(id))
        effects.push_back(NewEffect{id, now.inodes.at(id).row.attributes, now.inodes.at(id).row.target});
    for (auto& [key, dentry] : confirmed_.dentries) {
      auto it = now.dentries.find(key);
      if (it == now.dentries.end() || it->second.inode != dentry.inode)
        effects.push_back(UnlinkEffect{key.first, key.second, dentry.inode});
    }
    for (auto& [key, dentry] : now.dentries) {
      auto it = confirmed_.dentries.find(key);
      if (it == confirmed_.dentries.end() || it->second.inode != dentry.inode)
        effects.push_back(LinkEffect{key.first, key.second, dentry.inode});
    }
    named.insert(kRootInode);
    for (InodeId id : named) {
      const auto& file = now.inodes.at(id);
      auto old = confirmed_.inodes.find(id);
      bool known = old != confirmed_.inodes.end();
      OpId content_before = known ? old->second.row.content : OpId{};
      if (file.row.content != content_before)
        effects.push_back(PutEffect{id, file.row.content, file.row.attributes.size, file.row.attributes.mtime, {},
                                    text_manifest(1000, {static_cast<int>(file.row.content.counter % 200), 3})});
      if (file.row.content != content_before || (known && old->second.row.attributes != file.row.attributes))
        effects.push_back(AttributeEffect{id, kFields, file.row.attributes});
      auto before = known ? old->second.xattrs : std::map<std::string, Bytes>{};
      for (auto& [name, value] : file.xattrs)
        if (!before.count(name) || before[name] != value) effects.push_back(XattrEffect{id, name, value});
      for (auto& [name, value] : before)
        if (!file.xattrs.count(name)) effects.push_back(XattrEffect{id, name, std::nullopt});
    }
    return effects;
  }

  // The reference's confirmed tree after a commit that made it `now`.
  void confirm(const Reference& now, const std::vector<TreeEffect>& effects) {
    std::map<InodeId, ContentRow> contents;
    for (auto& [id, file] : confirmed_.inodes) contents[id] = file.content;
    confirmed_ = now;
    std::set<InodeId> named{kRootInode};
    for (auto& [key, dentry] : now.dentries) named.insert(dentry.inode);
    std::erase_if(confirmed_.inodes, [&](auto& one) { return !named.count(one.first); });
    for (auto& [id, file] : confirmed_.inodes) file.content = contents[id];
    for (const TreeEffect& effect : effects)
      if (auto* put = std::get_if<PutEffect>(&effect)) {
        ContentRow& content = confirmed_.inodes.at(put->inode).content;
        content.manifest = put->manifest;
        content.manifest_content = put->content;
        auto visible = tree_.reference.inodes.find(put->inode);
        if (visible == tree_.reference.inodes.end() || visible->second.row.content != put->content) continue;
        visible->second.content.dirty.clear();
        visible->second.content.manifest = put->manifest;
        visible->second.content.manifest_content = put->content;
      }
  }

  void acknowledge() {
    if (history_.empty()) return;
    std::size_t at = pick(static_cast<std::uint32_t>(history_.size()));
    auto [lsn, tree] = history_[at];
    trace("acknowledge up to " + std::to_string(lsn.value));
    std::vector<TreeEffect> effects = difference(tree);
    auto changes = store_->apply_commit(Sequence{++sequence_}, hash(), effects, lsn);
    ASSERT_TRUE(changes.ok()) << changes.error().to_string();
    EXPECT_TRUE(changes->names.empty() && changes->contents.empty() && !changes->replan);
    history_.erase(history_.begin(), history_.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    confirm(tree, effects);
  }

  // Somebody else's commit, on what nothing is pending about here.
  void foreign() {
    std::vector<TreeEffect> effects;
    Reference now = confirmed_;
    auto& visible = tree_.reference;
    auto change_both = [&](const std::function<void(Reference&)>& body) {
      body(now);
      body(visible);
      for (auto& [lsn, tree] : history_) body(tree);
    };
    InodeId id;
    for (auto& [key, dentry] : confirmed_.dentries)
      if (!pending(dentry.inode) && !pending(key.first, key.second) && pick(3) == 0) id = dentry.inode;
    std::uint32_t kind = pick(4);
    trace("foreign " + std::to_string(kind) + " on " + std::to_string(id.value));
    if (kind == 0 || !id) {
      std::string name = this->name();
      if (confirmed_.dentries.count({kRootInode, name}) || pending(kRootInode, name)) return;
      InodeRow row;
      row.id = make_inode_id(WriterId{2}, ++foreign_counter_);
      row.attributes.mtime = Timestamp{std::chrono::seconds{1}};
      row.parent = kRootInode;
      row.links = 1;
      effects = {NewEffect{row.id, row.attributes, ""}, LinkEffect{kRootInode, name, row.id}};
      change_both([&](Reference& tree) {
        tree.inodes[row.id].row = row;
        tree.dentries[{kRootInode, name}] = {kRootInode, name, row.id, FileType::kFile, 0, {}};
      });
    } else if (kind == 1) {
      Attributes values;
      values.mode = pick(0777);
      effects = {AttributeEffect{id, kFieldMode, values}};
      change_both([&](Reference& tree) { tree.inodes.at(id).row.attributes.mode = values.mode; });
    } else if (confirmed_.inodes.at(id).row.attributes.type == FileType::kFile && kind == 2) {
      OpId content{WriterId{2}, ++foreign_counter_};
      Bytes manifest = text_manifest(2000, {static_cast<int>(pick(3)) + 1, static_cast<int>(pick(3)) + 1});
      effects = {PutEffect{id, content, 2000, {}, {}, manifest}};
      change_both([&](Reference& tree) {
        auto& file = tree.inodes.at(id);
        file.row.content = content;
        file.row.attributes.size = 2000;
        file.row.attributes.mtime = {};
        file.content.valid = kept_ranges(file.content.valid, {file.content.manifest_content, file.content.manifest},
                                         {content, manifest});
        file.content.manifest = manifest;
        file.content.manifest_content = content;
      });
    } else if (confirmed_.inodes.at(id).row.attributes.type != FileType::kDirectory) {
      auto name = std::find_if(confirmed_.dentries.begin(), confirmed_.dentries.end(),
                               [&](auto& one) { return one.second.inode == id; })->first;
      if (pending(name.first, name.second)) return;
      effects = {UnlinkEffect{name.first, name.second, id}};
      change_both([&](Reference& tree) {
        tree.dentries.erase(name);
        if (--tree.inodes.at(id).row.links == 0) tree.inodes.erase(id);
      });
    }
    if (effects.empty()) return;
    auto changes = store_->apply_commit(Sequence{++sequence_}, hash(), effects, Lsn{});
    ASSERT_TRUE(changes.ok()) << changes.error().to_string();
    EXPECT_FALSE(changes->replan);
    confirmed_ = std::move(now);
  }

  // ---- life and death ----

  void reopen() {
    trace("reopen");
    EXPECT_TRUE(store_->close().ok());
    store_.reset();
    open();
  }
  void crash() {
    trace("crash");
    std::string from = options_.directory;
    fresh_directory();
    copy_files(from, options_.directory);
    store_.reset();
    open();
  }
  std::pair<std::string, std::uint64_t> log_end() {
    std::string last;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory))
      if (parse_segment_name(entry.path().filename().string())) last = std::max(last, entry.path().string());
    // Where its frames end: behind them there may be room for more.
    std::ifstream in(last, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const ByteView bytes = as_bytes(text);
    std::size_t end = kSegmentHeaderBytes;
    const std::uint32_t seed = frame_seed(bytes.first(kSegmentHeaderBytes));
    while (auto frame = parse_frame(bytes.subspan(end), seed)) end += frame->frame_bytes;
    return {last, end};
  }
  // One operation whose record is then cut off at every byte.
  void torn() {
    trace("torn");
    auto before = log_end();
    Lsn lsn = store_->last_lsn();
    Reference old = tree_.reference;
    local();
    auto after = log_end();
    bool one_record = store_->last_lsn().value == lsn.value + 1 && before.first == after.first;
    if (!one_record || options_.max_unchecked_records < 100) return;
    std::uint64_t step = std::max<std::uint64_t>(1, (after.second - before.second) / 9);
    for (std::uint64_t size = before.second; size <= after.second; size += step) {
      TemporaryDirectory copy;
      copy_files(options_.directory, copy.path());
      std::filesystem::resize_file(copy.file(std::filesystem::path(after.first).filename()), size);
      auto options = options_;
      options.directory = copy.path();
      auto store = MetadataStore::open(disk_, clock_, options, test_identity(), nullptr);
      ASSERT_TRUE(store.ok()) << store.error().to_string();
      EXPECT_EQ(dump(**store), (size == after.second ? tree_.reference : old).dump());
    }
  }
  // Nothing has changed under us: making everything again must give the same tree.
  void rebase() {
    trace("rebase");
    auto changes = store_->rebase([](const MutexLock&, const LogRecord& record) -> Result<std::vector<RowChange>> {
      return record.changes;
    });
    ASSERT_TRUE(changes.ok()) << changes.error().to_string();
    EXPECT_TRUE(changes->names.empty()) << "a name that is what it was is told of: " << changes->names.front().name;
  }
  void note() {
    const DentryRow* entry = this->entry();
    if (!entry || entry->type != FileType::kFile) return;
    InodeId id = entry->inode;
    Extent extent{pick(20) * 100, pick(20) * 100 + 2000};
    bool valid = pick(2) == 0;
    // Nothing can be fetched of a content that no server has; a re-plan does not keep what is noted of it all the same.
    if (valid && tree_.reference.inodes.at(id).content.manifest.empty()) return;
    trace("note " + std::to_string(id.value) + (valid ? " fetched" : " evicted"));
    {
      MutexLock lock(store_->mutex());
      ASSERT_TRUE(store_->note_content(lock, id, extent, valid).ok());
    }
    // What is fetched may be forgotten by a crash; not so here, where everything is compared.
    if (valid) {
      ASSERT_TRUE(store_->checkpoint().ok());
    }
    auto follow = [&](Reference& tree) {
      auto it = tree.inodes.find(id);
      if (it == tree.inodes.end()) return;
      ContentRow& content = it->second.content;
      if (valid) content.valid.add(extent);
      else for (const Extent& part : content.dirty.missing(extent)) content.valid.remove(part);
    };
    follow(tree_.reference);
  }

  // ---- comparing ----

  void verify() {
    std::ostringstream story;
    for (std::size_t i = trace_.size() > 40 ? trace_.size() - 40 : 0; i < trace_.size(); ++i) story << trace_[i] << "\n";
    SCOPED_TRACE(story.str());
    ASSERT_EQ(dump(*store_), tree_.reference.dump());
    MutexLock lock(store_->mutex());
    std::uint64_t count = 1, bytes = 0, files = 0, dirty = 0;
    std::set<InodeId> seen;
    for (auto& [key, dentry] : tree_.reference.dentries) {
      const auto& file = tree_.reference.inodes.at(dentry.inode);
      if (!seen.insert(dentry.inode).second) continue;
      ++count;
      if (dentry.type == FileType::kFile) bytes += file.row.attributes.size;
      files += !file.content.dirty.empty();
      dirty += file.content.dirty.total();
    }
    EXPECT_EQ(store_->totals().inodes, count);
    EXPECT_EQ(store_->totals().bytes, bytes);
    lock.unlock();
    EXPECT_GE(store_->pending().files, files) << "orphans may count too";
    EXPECT_GE(store_->pending().bytes, dirty);
    verify_confirmed();
  }

  void verify_confirmed() {
    auto snapshot = store_->confirmed();
    ASSERT_TRUE(snapshot.ok()) << snapshot.error().to_string();
    auto& confirmed = **snapshot;
    for (auto& [id, file] : confirmed_.inodes) {
      auto row = *confirmed.inode(id);
      ASSERT_TRUE(row.has_value()) << id.value;
      if (id != kRootInode) {
        EXPECT_EQ(confirmed_text(*row), confirmed_text(file.row));
      }
      if (file.row.attributes.type == FileType::kFile) {
        EXPECT_EQ(confirmed.content(id)->manifest_content, file.content.manifest_content) << id.value;
        EXPECT_EQ(confirmed.content(id)->manifest, file.content.manifest) << id.value;
      }
      for (auto& [name, value] : file.xattrs) EXPECT_EQ(*confirmed.xattr(id, name), value);
      std::set<std::string> names;
      for (auto& [key, dentry] : confirmed_.dentries)
        if (key.first == id) names.insert(key.second);
      // Of a directory that was not listed, the server may know more.
      auto children = confirmed.children(id, "", 1000);
      if (children.ok()) {
        EXPECT_EQ(*children, std::vector<std::string>(names.begin(), names.end()));
      } else {
        EXPECT_EQ(children.error().code(), Code::kNotPresent);
      }
    }
    for (auto& [key, dentry] : confirmed_.dentries) EXPECT_EQ(*confirmed.dentry(key.first, key.second), dentry.inode);
    for (auto& [id, file] : tree_.reference.inodes) {
      std::size_t links = 0;
      for (auto& [key, dentry] : confirmed_.dentries) links += dentry.inode == id;
      EXPECT_EQ(confirmed.links(id)->size(), links);
      auto row = *confirmed.inode(id);
      if (!confirmed_.inodes.count(id)) {
        EXPECT_TRUE(!row || row->links == 0) << id.value;
      }
    }
    for (auto& [key, dentry] : tree_.reference.dentries)
      if (!confirmed_.dentries.count(key)) {
        auto found = confirmed.dentry(key.first, key.second);
        EXPECT_TRUE(found.ok() ? !found->has_value() : found.error().code() == Code::kNotPresent);
      }
  }

  std::mt19937 random_;
  PosixDisk disk_;
  FakeClock clock_;
  MetadataStore::Options options_;
  std::vector<std::unique_ptr<TemporaryDirectory>> directories_;
  std::unique_ptr<MetadataStore> store_;
  Tree tree_;
  Reference confirmed_;
  std::deque<std::pair<Lsn, Reference>> history_;   // trees at records that are not acknowledged
  std::map<InodeId, Lsn> pending_inodes_;
  std::map<std::pair<InodeId, std::string>, Lsn> pending_names_;
  std::uint64_t sequence_ = 0, foreign_counter_ = 0;
  std::vector<std::string> trace_;
};

class ModelTest : public testing::TestWithParam<std::uint32_t> {};

TEST_P(ModelTest, StoreEqualsReference) { Model(GetParam()).run(150); }

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, testing::Range(1u, 1u + []() -> std::uint32_t {
                           const char* more = std::getenv("SKYMOOR_MODEL_SEEDS");
                           return more ? static_cast<std::uint32_t>(std::atoi(more)) : 12u;
                         }()));

}  // namespace
}  // namespace skymoor::client
