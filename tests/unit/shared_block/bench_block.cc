// Speed of chunking, sealing, opening and packing; not a test. Build bench_block in a release build and run it.
#include <benchmark/benchmark.h>

#include "shared/block/chunker.h"
#include "shared/block/pack.h"
#include "shared/block/seal.h"
#include "tests/unit/shared_block/random_bytes.h"

namespace skymoor::block {
namespace {

const Bytes kKey(32, 1);
constexpr std::size_t kMiB = 1 << 20;

void chunk(benchmark::State& state) {
  Chunker chunker(kKey);
  Bytes data = random_bytes(64 * kMiB, 1);
  for (auto _ : state)
    for (ByteView rest = data; !rest.empty();) rest = rest.subspan(chunker.first_cut(rest, true));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * data.size()));
}
BENCHMARK(chunk);

void seal(benchmark::State& state) {
  Bytes data = state.range(0) ? text_bytes(kMiB, 1) : random_bytes(kMiB, 1);
  for (auto _ : state) benchmark::DoNotOptimize(seal_block(kKey, data));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * data.size()));
}
BENCHMARK(seal)->ArgName("text")->Arg(0)->Arg(1);

void open(benchmark::State& state) {
  Bytes data = state.range(0) ? text_bytes(kMiB, 1) : random_bytes(kMiB, 1);
  auto block = seal_block(kKey, data);
  Bytes out;
  for (auto _ : state) {
    out.clear();
    if (!open_block(block->id, block->key, block->bytes, kMiB, out).ok()) state.SkipWithError("does not open");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * data.size()));
}
BENCHMARK(open)->ArgName("text")->Arg(0)->Arg(1);

void parse(benchmark::State& state) {
  PackWriter writer;
  Bytes data = random_bytes(4 * kMiB, 1);
  writer.add_block(BlockId{}, data);
  Bytes pack = writer.take();
  for (auto _ : state) benchmark::DoNotOptimize(parse_pack(pack));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * data.size()));
}
BENCHMARK(parse);

}  // namespace
}  // namespace skymoor::block

BENCHMARK_MAIN();
