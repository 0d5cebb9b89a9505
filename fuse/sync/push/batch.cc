#include "fuse/sync/push/batch.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kRecordsAtOnce = 1000;
constexpr std::size_t kBytesAtOnce = 4u << 20;
}  // namespace

Result<std::unique_ptr<Batch>> Batch::open(MetadataStore& store, const Aliases& known, const PlanContext& context,
                                           Unlisted unlisted) {
  auto confirmed = TRY(store.confirmed());
  std::unique_ptr<Batch> batch(new Batch(store, std::move(confirmed), known, context, unlisted));
  batch->cut_ = store.position().acknowledged;
  return batch;
}

bool Batch::full(const Limits& limits) const {
  return records_ >= limits.records || tree_.effect_count() >= limits.effects || reads_.size() >= limits.reads ||
         tree_.effect_bytes() >= limits.bytes;
}

Status Batch::extend(Lsn up_to, const Limits& limits) {
  while (cut_ < up_to && !full(limits)) {
    const auto records = TRY(store_.records_after(cut_, kRecordsAtOnce, kBytesAtOnce));
    if (records.empty()) return {};
    for (const LogRecord& record : records) {
      if (record.lsn > up_to || full(limits)) return {};
      TRY(add(record));
    }
  }
  return {};
}

Status Batch::add(const LogRecord& record) {
  Plan planned = TRY(plan(record, tree_, known_, context_));
  for (const TreeEffect& effect : planned.effects) TRY(tree_.apply(effect));
  for (PlannedRead& read : planned.reads) reads_.insert(std::move(read));
  if (!planned.aliases.empty()) {
    known_.merge(planned.aliases);
    made_.merge(planned.aliases);
  }
  late_births_.insert(late_births_.end(), planned.late_births.begin(), planned.late_births.end());
  conflict_names_ += planned.conflict_names;
  cut_ = record.lsn;
  ++records_;
  return {};
}

}  // namespace skymoor::client
