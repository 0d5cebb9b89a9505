#include "fuse/sync/rebase/rebaser.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "fuse/sync/confirmed_view.h"
#include "fuse/sync/plan/describe.h"
#include "fuse/sync/rebase/row_maker.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {
constexpr int kMaxRounds = 8;              // of answered questions, or of contents that moved meanwhile
constexpr std::size_t kRecordsAtOnce = 2000;
constexpr std::size_t kBytesAtOnce = 4u << 20;
}  // namespace

/// What planning everything pending came to.
struct Rebaser::Survey {
  Lsn up_to;
  Aliases aliases;                                   ///< all of them: known before and made on the way
  Questions questions;
  unsigned conflict_names = 0;
  struct Written {
    OpId content;
    InodeId named;                                   ///< as the record names the file
  };
  std::map<InodeId, Written> written;                ///< last content that the plan gives an inode
  std::vector<ContentMove> moves;                    ///< whose content goes where; what frees a place comes first
  bool moves_made = false;
};

/// The listener's part of a re-plan that moves contents: from its construction to its end.
class Rebaser::Witnessed {
 public:
  static Result<std::unique_ptr<Witnessed>> begin(TreeListener& listener, const std::vector<ContentMove>& moves) {
    if (!moves.empty()) TRY(listener.moves_begin(moves));
    return std::unique_ptr<Witnessed>(new Witnessed(listener, !moves.empty()));
  }
  ~Witnessed() { end(); }
  void end() {
    if (std::exchange(under_way_, false)) listener_.moves_end();
  }

 private:
  Witnessed(TreeListener& listener, bool under_way) : listener_(listener), under_way_(under_way) {}
  TreeListener& listener_;
  bool under_way_;
};

struct Rebaser::Frozen {
  std::vector<std::shared_ptr<BackingFile>> files;
  std::vector<std::unique_lock<std::shared_mutex>> locks;   ///< goes before the files do
};

Result<Rebaser::Survey> Rebaser::survey(MetadataStore::Confirmed& confirmed) {
  Survey survey;
  survey.aliases = d_.state.aliases;
  survey.up_to = d_.store.position().acknowledged;
  ConfirmedView view(confirmed, ConfirmedView::Unlisted::kEmpty);
  Overlay tree(view);
  while (true) {
    const auto records = TRY(d_.store.records_after(survey.up_to, kRecordsAtOnce, kBytesAtOnce));
    if (records.empty()) return survey;
    for (const LogRecord& record : records) {
      Plan planned = TRY(plan(record, tree, survey.aliases, d_.context));
      for (const TreeEffect& effect : planned.effects) {
        TRY(tree.apply(effect));
        const auto* put = std::get_if<PutEffect>(&effect);
        const auto* write = std::get_if<WriteIntent>(&record.intent);
        if (put && write) survey.written[put->inode] = {put->content, write->inode};
      }
      survey.aliases.merge(planned.aliases);
      survey.questions.add(record, d_.context.writer, planned.questions);
      survey.conflict_names += planned.conflict_names;
      survey.up_to = record.lsn;
    }
  }
}

/// The inode under which the visible tree, as last planned, shows what a record names.
Result<InodeId> Rebaser::visible_of(InodeId named) {
  const InodeId resolved = d_.state.visible.resolve(named);
  const Aliases::Copy* copy = d_.state.visible.copy_of(resolved);
  return copy ? copy->inode : resolved;
}

Result<bool> Rebaser::answer(const Survey& survey, MetadataStore::Confirmed& confirmed, const CallOptions& options) {
  bool learned = false;
  for (const auto& [question, end] : survey.questions.all()) {
    const InodeId mine = TRY(visible_of(question.mine));
    OpId content;
    {
      MutexLock lock(d_.store.mutex());
      auto row = d_.store.inode(lock, mine);
      if (!row.ok()) continue;
      content = row->content;
    }
    if (content.writer == d_.context.writer && content.counter > survey.up_to.value) {
      learned = true;  // written since: the records are looked through once more
      continue;
    }
    // The visible file must hold what the question is about: by now it may be a copy that was written by its own name.
    if (content == OpId{} || content != end) continue;
    const Aliases::Equal found{Lsn{content.counter}, question.their_content};
    const std::pair from(question.mine, question.first);
    auto known = d_.state.aliases.equals.find(from);
    if (known != d_.state.aliases.equals.end() && known->second == found) continue;
    if (!TRY(d_.comparer.same(mine, question.theirs, question.their_content, confirmed, options))) continue;
    d_.state.aliases.equals[from] = found;
    learned = true;
  }
  return learned;
}

/// Where the bytes of each planned content are now, if not where they belong. Errors: Busy (one was written since).
Status Rebaser::find_moves(Survey& survey) {
  survey.moves.clear();
  std::set<OpId> placed;
  for (const auto& [target, written] : survey.written) placed.insert(written.content);
  for (const auto& [target, written] : survey.written) {
    const InodeId seen = TRY(visible_of(written.named));
    MutexLock lock(d_.store.mutex());
    for (InodeId candidate : {target, written.named, seen}) {
      auto row = d_.store.inode(lock, candidate);
      if (!row.ok() || row->content.writer != d_.context.writer) continue;
      if (row->content.counter < written.content.counter) continue;
      // One file may have been two by turns: what it holds now may be another's.
      if (row->content != written.content && placed.contains(row->content)) continue;
      if (candidate == target) break;
      if (row->content.counter > survey.up_to.value)
        return Error(Code::kBusy, "a file changed while the tree was planned anew");
      survey.moves.emplace_back(candidate, target);
      break;
    }
  }
  return order_moves(survey.moves);
}

/// A content leaves a file before another comes into it.
Status Rebaser::order_moves(std::vector<ContentMove>& moves) {
  for (std::size_t done = 0; done < moves.size(); ++done) {
    auto free = [&](const auto& move) {
      return std::none_of(moves.begin() + static_cast<std::ptrdiff_t>(done), moves.end(),
                          [&](const auto& other) { return other.first == move.second; });
    };
    auto next = std::find_if(moves.begin() + static_cast<std::ptrdiff_t>(done), moves.end(), free);
    if (next == moves.end()) return Error(Code::kInternal, "re-plan: contents would change places in a circle");
    std::iter_swap(moves.begin() + static_cast<std::ptrdiff_t>(done), next);
  }
  return {};
}

/// Keeps local changes out of the files that will change hands.
Result<bool> Rebaser::freeze(Survey& survey, Frozen& frozen) {
  const auto planned = survey.moves;
  for (const auto& move : planned) {
    auto file = d_.backing.open_file(move.first, false);
    if (!file.ok()) continue;
    frozen.locks.push_back((*file)->freeze());
    frozen.files.push_back(std::move(file).value());
    // What the op log carries of the bytes is told by the old name: from here on nobody needs it.
    TRY(d_.backing.sync(move.first));
  }
  Status again = find_moves(survey);
  if (!again.ok() && again.error().code() == Code::kBusy) return false;
  TRY(std::move(again));
  return survey.moves == planned;
}

Result<std::vector<RowChange>> Rebaser::redo_one(Survey& survey, MetadataStore::Confirmed& confirmed, Overlay& tree,
                                                 Aliases& known, const MutexLock& lock, const LogRecord& record) {
  Plan planned = TRY(plan(record, tree, known, d_.context));
  if (log_debug_enabled())
    log_debug("sync.replan.record", {{"writer", d_.context.writer.value}, {"record", describe(record)}, {"effects", describe(planned.effects)}});
  RowMaker maker(d_.store, confirmed, lock, tree, record);
  for (const TreeEffect& effect : planned.effects) {
    TRY(tree.apply(effect));
    TRY(maker.add(effect));
    const bool new_copy = std::holds_alternative<NewEffect>(effect) && std::holds_alternative<WriteIntent>(record.intent);
    // A record made since the survey needs a file moved that is not frozen: once more from the start.
    if (new_copy && record.lsn > survey.up_to) return Error(Code::kBusy, "a file changed while the tree was planned anew");
  }
  known.merge(planned.aliases);
  TRY(maker.add_local(known));
  auto answer = maker.take();
  // All at once and in their order, before any record's own changes: one may free the place that another needs.
  if (!std::exchange(survey.moves_made, true))
    for (auto move = survey.moves.rbegin(); move != survey.moves.rend(); ++move)
      answer.insert(answer.begin(), MoveContent{move->first, move->second});
  return answer;
}

Result<Rebaser::Outcome> Rebaser::run(bool may_ask, const CallOptions& options) {
  // An attempt that failed between rows and files: its files come first; and one's moves are named on disk until then.
  TRY(forget_moves());
  std::optional<InodeId> held;   // a program began to write it, and nothing stands against what would take its place
  for (int round = 0;; ++round) {
    if (held) TRY(d_.listener.contents_come({{*std::exchange(held, std::nullopt), OpId{}}}));
    auto confirmed = TRY(d_.store.confirmed());
    Survey survey = TRY(this->survey(*confirmed));
    if (may_ask && round < kMaxRounds && TRY(answer(survey, *confirmed, options))) continue;
    if (Status found = find_moves(survey); !found.ok()) {
      if (found.error().code() == Code::kBusy && round < kMaxRounds) continue;
      return std::move(found).error();
    }

    // Named on disk before it happens: see finish_moves.
    d_.state.moves = TRY(noted(survey.moves));
    d_.state.rebase = d_.store.rebases() + 1;
    TRY(d_.file.save(d_.state));
    // Most of the bytes go to the disk before anybody has to wait for the rest.
    for (const auto& [from, to] : survey.moves) TRY(d_.backing.sync(from));
    auto witnessed = TRY(Witnessed::begin(d_.listener, survey.moves));
    Frozen frozen;
    if (!TRY(freeze(survey, frozen)) && round < kMaxRounds) continue;

    ConfirmedView view(*confirmed, ConfirmedView::Unlisted::kEmpty);
    Overlay tree(view);
    Aliases known = d_.state.aliases;
    Outcome outcome;
    auto changes = d_.store.rebase(
        [&](const MutexLock& lock, const LogRecord& record) {
          return redo_one(survey, *confirmed, tree, known, lock, record);
        },
        [&](const MutexLock& lock) {
          if (!survey.moves.empty()) d_.listener.rows_moved(lock, survey.moves);
        });
    if (!changes.ok() && changes.error().code() == Code::kBusy && round < kMaxRounds) {
      held = d_.store.held_back();
      continue;
    }
    if (!changes.ok()) return failed(std::move(changes).error());
    log_debug("sync.rebased", {{"writer", d_.context.writer.value}, {"from", d_.store.position().acknowledged.value}, {"up_to", survey.up_to.value}});
    outcome.changes = std::move(changes).value();
    outcome.conflict_names = survey.conflict_names;
    outcome.files = move_files();
    frozen.locks.clear();
    witnessed->end();
    TRY(note_names(survey.moves, outcome.changes));
    // The new names survive a power cut before the intention goes.
    for (const NotedMove& move : d_.state.moves)
      if (outcome.files.ok()) outcome.files = d_.backing.sync(move.to);
    for (const auto& [from, copy] : survey.aliases.copies) d_.state.aliases.shown.insert(copy.inode);
    d_.state.visible = survey.aliases;
    d_.state.shown_up_to = d_.store.last_lsn();
    if (outcome.files.ok() && d_.listener.moves_kept().ok()) d_.state.moves.clear();
    if (Status saved = d_.file.save(d_.state); outcome.files.ok()) outcome.files = std::move(saved);
    return outcome;
  }
}

Result<std::vector<NotedMove>> Rebaser::noted(const std::vector<ContentMove>& moves) {
  std::vector<NotedMove> noted;
  for (const auto& [from, to] : moves) noted.push_back({from, to, TRY(d_.backing.identity(from))});
  return noted;
}

/// The rows may stand all the same, but not survive a power cut: the files go over, and lie where they lie until the next
/// start, which puts the database on the disk first.
Error Rebaser::failed(Error error) {
  if (d_.store.rebases() < d_.state.rebase) return error;
  for (NotedMove& move : d_.state.moves) move.made = d_.backing.hand_over(move.from, move.to).ok();
  unsure_ = error.wrap("unmount and mount again");
  return error;
}

/// All of them, also after one that failed: from here on each file is the one of its new number, wherever it lies.
Status Rebaser::move_files() {
  Status all;
  for (NotedMove& move : d_.state.moves) {
    Status moved = d_.backing.hand_over(move.from, move.to);
    move.made = moved.ok();
    if (move.made) moved = d_.backing.finish_move(move.to);
    if (moved.ok()) continue;
    log_error("sync.move.failed", {{"from", move.from.value}, {"to", move.to.value}, {"why", moved.error()}});
    if (all.ok()) all = std::move(moved);
  }
  return all;
}

/// Which node of the kernel shows a moved content is the listener's to say: all names of both are to be looked up anew.
Status Rebaser::note_names(const std::vector<ContentMove>& moves, VisibleChanges& changes) {
  MutexLock lock(d_.store.mutex());
  for (const auto& [from, to] : moves)
    for (InodeId inode : {from, to})
      for (const DentryRow& name : TRY(d_.store.links(lock, inode))) changes.names.push_back({name.directory, name.name});
  return {};
}

Status Rebaser::forget_moves() {
  if (unsure_) return *unsure_;
  if (d_.state.moves.empty()) return {};
  for (NotedMove& move : d_.state.moves) {
    // An attempt that came to nothing. Whether it did a failing disk may not have told: the next attempt takes its place.
    if (!move.made && !TRY(rows_stand(d_.store, d_.state, move))) return {};
    if (!move.made) TRY(hand_over(d_.backing, move));
    move.made = true;
    TRY(d_.backing.finish_move(move.to));
    TRY(d_.backing.sync(move.to));
  }
  TRY(d_.listener.moves_kept());
  d_.state.moves.clear();
  return d_.file.save(d_.state);
}

Result<bool> Rebaser::rows_stand(MetadataStore& store, const SyncState& state, const NotedMove& move) {
  if (state.rebase) return store.rebases() >= state.rebase;
  MutexLock lock(store.mutex());
  auto row = store.inode(lock, move.to);
  if (!row.ok() && row.error().code() != Code::kNotFound) return std::move(row).error();
  // What is moved was written here; what stands in its place before was not, or stands nowhere.
  return row.ok() && row->content.writer == store.identity().writer;
}

/// Its file lies where it belongs, or there is nothing to move.
Result<bool> Rebaser::has_moved(BackingStore& backing, const NotedMove& move) {
  const std::uint64_t from = TRY(backing.identity(move.from)), to = TRY(backing.identity(move.to));
  if (!from || (move.file && to == move.file)) return true;
  // Nobody noted which file it is, or the state was copied, and each file has another number.
  return from != move.file && to != 0;
}

Status Rebaser::hand_over(BackingStore& backing, const NotedMove& move) {
  auto file = backing.open_file(move.from, false);
  if (!file.ok()) return file.error().code() == Code::kNotFound ? Status() : Status(std::move(file).error());
  const auto frozen = (*file)->freeze();
  TRY(backing.hand_over(move.from, move.to));
  log_info("sync.move.handed_over", {{"from", move.from.value}, {"to", move.to.value}});
  return {};
}

Result<std::vector<ContentMove>> Rebaser::finish_moves(MetadataStore& store, BackingStore& backing, const SyncState& state) {
  std::vector<ContentMove> moved;
  for (const NotedMove& move : state.moves) {
    if (!TRY(rows_stand(store, state, move))) continue;
    moved.emplace_back(move.from, move.to);
    bool filled = false;
    {
      MutexLock lock(store.mutex());
      auto content = store.content(lock, move.to);
      if (!content.ok() && content.error().code() != Code::kNotFound) return std::move(content).error();
      filled = content.ok() && !content->valid.empty();
    }
    // What the kernel wrote unseen stands in no row.
    if ((filled || backing.unseen(move.from)) && !TRY(has_moved(backing, move))) TRY(hand_over(backing, move));
    TRY(backing.finish_move(move.to));
    TRY(backing.sync(move.to));   // the process may have ended before this
  }
  return moved;
}

}  // namespace skymoor::client
