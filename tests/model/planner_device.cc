#include <iostream>

#include "fuse/sync/plan/describe.h"
#include "tests/model/planner_simulation.h"

namespace skymoor::client::model {
namespace {

/// For looking at one seed: SKYMOOR_TRACE=1.
bool tracing() {
  static const bool on = std::getenv("SKYMOOR_TRACE") != nullptr;
  return on;
}
void trace(const PlanContext& device, const std::string& what) { std::cerr << device.device_name << ": " << what << "\n"; }

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) throw Violation(result.error().to_string());
  return std::move(result).value();
}
void must(Status status) {
  if (!status.ok()) throw Violation(status.error().to_string());
}

std::string text(const TreeEffect& effect) {
  auto id = [](InodeId inode) { return std::to_string(inode.value >> 40) + "." + std::to_string(inode.value & 0xffff); };
  if (const auto* x = std::get_if<NewEffect>(&effect)) return "new " + id(x->inode);
  if (const auto* x = std::get_if<LinkEffect>(&effect))
    return "link " + id(x->directory) + "/" + x->name + " = " + id(x->inode);
  if (const auto* x = std::get_if<UnlinkEffect>(&effect))
    return "unlink " + id(x->directory) + "/" + x->name + " = " + id(x->inode);
  if (const auto* x = std::get_if<PutEffect>(&effect))
    return "put " + id(x->inode) + " content " + std::to_string(x->content.counter);
  return "other";
}

/// What the arbiter compares of a commit, in words and sorted: attributes and xattrs are not versioned, the last committed wins
/// field by field and name by name; and the order between directories follows from ancestors that are not versioned either.
std::string text(const std::vector<TreeEffect>& effects) {
  std::set<std::string> lines;
  for (const TreeEffect& effect : effects)
    if (!std::holds_alternative<AttributeEffect>(effect) && !std::holds_alternative<XattrEffect>(effect)) lines.insert(text(effect));
  std::string out;
  for (const std::string& line : lines) out += "\n    " + line;
  return out;
}

/// Contents that were sent ahead of their records are the plan's own, only later.
void take_contents(std::vector<TreeEffect>& planned, const std::vector<TreeEffect>& sent) {
  std::map<InodeId, OpId> contents;
  for (const TreeEffect& effect : sent)
    if (const auto* put = std::get_if<PutEffect>(&effect)) contents[put->inode] = put->content;
  for (TreeEffect& effect : planned) {
    auto* put = std::get_if<PutEffect>(&effect);
    if (!put || !contents.contains(put->inode)) continue;
    const OpId content = contents.at(put->inode);
    if (content.writer == put->content.writer && content.counter > put->content.counter) put->content = content;
  }
}

}  // namespace

ModelDevice::ModelDevice(std::string name, WriterId writer, Arbiter& arbiter, Digests& digests, PlannerRules rules)
    : context_{writer, std::move(name), rules}, arbiter_(arbiter), digests_(digests) {
  view_ = std::make_unique<Overlay>(confirmed_);
}

std::vector<std::pair<Place, InodeId>> ModelDevice::entries() {
  std::map<Place, InodeId> slots = confirmed_.slots();
  for (const auto& [place, state] : view_->slots()) {
    if (state.now) {
      slots[place] = *state.now;
    } else {
      slots.erase(place);
    }
  }
  return {slots.begin(), slots.end()};
}

void ModelDevice::author(LogRecord record) {
  last_lsn_ = record.lsn;
  if (tracing()) trace(context_, "record " + describe(record));
  Aliases known = aliases_;
  known.merge(provisional_);
  Plan planned = must(plan(record, *view_, known, context_));
  for (const TreeEffect& effect : planned.effects) must(view_->apply(effect));
  provisional_.merge(planned.aliases);
  for (const auto& [from, copy] : planned.aliases.copies) aliases_.shown.insert(copy.inode);
  pending_.push_back(std::move(record));
}

bool ModelDevice::answer(const Questions& questions) {
  bool learned = false;
  for (const auto& [question, end] : questions.all()) {
    if (end == OpId{} || !digests_.contains(question.their_content)) continue;  // never written: not asked about
    if (digests_.at(end) != digests_.at(question.their_content)) continue;
    const Aliases::Equal found{Lsn{end.counter}, question.their_content};
    Aliases::Equal& equal = aliases_.equals[{question.mine, question.first}];
    learned |= equal != found;
    equal = found;
  }
  return learned;
}

void ModelDevice::rebuild() {
  for (int round = 0; round < 100; ++round) {
    view_ = std::make_unique<Overlay>(confirmed_);
    provisional_ = {};
    Aliases known = aliases_;
    Questions questions;
    for (const LogRecord& record : pending_) {
      Plan planned = must(plan(record, *view_, known, context_));
      for (const TreeEffect& effect : planned.effects) must(view_->apply(effect));
      if (tracing()) trace(context_, "  again " + describe(record) + " -> " + describe(planned.effects));
      provisional_.merge(planned.aliases);
      known.merge(planned.aliases);
      questions.add(record, context_.writer, planned.questions);
    }
    // While it is not known whether a commit arrived, nothing may change what it was planned with.
    if (!answer_outstanding_ && answer(questions)) continue;
    for (const auto& [from, copy] : provisional_.copies) aliases_.shown.insert(copy.inode);
    if (pending_.empty()) aliases_ = {};
    return;
  }
  throw Violation("questions without end");
}

ModelDevice::Planned ModelDevice::plan_batch(std::size_t count) {
  Planned batch;
  Overlay tree(confirmed_);
  Aliases known = aliases_;
  std::set<PlannedRead> reads;
  for (std::size_t i = 0; i < count; ++i) {
    Plan planned = must(plan(pending_[i], tree, known, context_));
    for (const TreeEffect& effect : planned.effects) must(tree.apply(effect));
    batch.aliases.merge(planned.aliases);
    known.merge(planned.aliases);
    batch.conflict_names += planned.conflict_names;
    reads.insert(planned.reads.begin(), planned.reads.end());
  }
  batch.effects = must(net_effects(tree));
  batch.reads.assign(reads.begin(), reads.end());
  return batch;
}

void ModelDevice::send_ahead(std::vector<TreeEffect>& effects) {
  for (TreeEffect& effect : effects) {
    auto* put = std::get_if<PutEffect>(&effect);
    if (!put || put->content.writer != context_.writer) continue;
    const auto now = must(view_->node(put->inode));
    if (now && now->live() && now->content.writer == context_.writer && now->content.counter > put->content.counter)
      put->content = now->content;
  }
}

void ModelDevice::acknowledge(const Arbiter::Entry& entry) {
  std::size_t count = 0;
  while (count < pending_.size() && pending_[count].lsn.value <= entry.op.counter) ++count;
  if (count == 0) return;  // only an arbiter that forgets op ids gets here
  // What the server accepted was planned on an older tree; nothing it read has changed, so the same comes out here.
  Planned again = plan_batch(count);
  take_contents(again.effects, entry.effects);
  if (text(again.effects) != text(entry.effects))
    throw Violation("the plan of an accepted commit came out differently: sent" + text(entry.effects) +
                    "\n  but now" + text(again.effects));
  aliases_.merge(again.aliases);
  aliases_.note_commit(entry.effects, context_.writer, Lsn{entry.op.counter}, provisional_);
  conflict_names_ += again.conflict_names;
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
  answer_outstanding_ = false;
}

void ModelDevice::pull() {
  bool news = false;
  while (cursor_ < arbiter_.log().size()) {
    const Arbiter::Entry& entry = arbiter_.log()[cursor_++];
    if (tracing()) trace(context_, "applies " + describe(entry.op) + ": " + describe(entry.effects));
    if (entry.op.writer == context_.writer) acknowledge(entry);
    for (const TreeEffect& effect : entry.effects) confirmed_.apply(effect);
    news = true;
  }
  if (news) rebuild();
}

void ModelDevice::push(std::size_t limit, bool lose_answer, bool ahead) {
  if (pending_.empty()) return;
  const std::size_t count = std::min(limit, pending_.size());
  const OpId op{context_.writer, pending_[count - 1].lsn.value};
  // After a lost answer the feed is asked first: resent with other records, the old commit would be applied twice.
  if (answer_outstanding_) {
    pull();
    answer_outstanding_ = false;
    rebuild();
    return;
  }
  Planned batch = plan_batch(count);
  if (ahead && count < pending_.size()) send_ahead(batch.effects);
  const bool accepted = arbiter_.commit(op, cursor_, batch.effects, batch.reads);
  if (tracing())
    trace(context_, std::string(accepted ? "sent " : "refused ") + describe(op) + " on " + std::to_string(cursor_) + ": " +
                        describe(batch.effects));
  if (accepted && lose_answer) {
    answer_outstanding_ = true;
    return;
  }
  pull();
}

void ModelDevice::restart() {
  if (answer_outstanding_) return;
  aliases_ = must(decode_aliases(encode_aliases(aliases_)));
  rebuild();
}

}  // namespace skymoor::client::model
