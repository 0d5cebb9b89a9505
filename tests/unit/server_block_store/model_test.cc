// Random operations against a map, with kills, closes and torn tails in between.
#include "tests/support/seeds.h"
#include "tests/unit/server_block_store/store_fixture.h"

namespace skymoor::server {
namespace {

class Model : public SegmentStoreTest, public ::testing::WithParamInterface<int> {};

TEST_P(Model, AgreesWithAMapWhateverHappens) {
  std::mt19937_64 engine(static_cast<std::uint64_t>(GetParam()));
  options_.segment_bytes = 6000;
  std::vector<TestBlock> pool;
  for (std::uint64_t i = 0; i < 40; ++i) pool.push_back(make_block(1 + engine() % 1500, i));
  std::map<BlockName, const TestBlock*> model;
  open();
  for (int step = 0; step < 400; ++step) {
    const TestBlock& b = pool[engine() % pool.size()];
    const VolumeId volume = make_volume(static_cast<std::uint8_t>(engine() % 2));
    const BlockName name{volume, b.id};
    switch (engine() % 10) {
      case 0:
      case 1:
      case 2:
      case 3: {
        NewBlock fresh = b.as_new();
        ASSERT_TRUE(store_->put(volume, {&fresh, 1}).ok());
        model[name] = &b;
        break;
      }
      case 4:
      case 5:
      case 6:
        ASSERT_EQ(*store_->remove(volume, {&b.id, 1}), model.erase(name));
        break;
      case 7:
        ASSERT_TRUE(store_->maintain().ok());
        break;
      case 8:
        if (engine() % 4 == 0) open();
        break;
      case 9: {
        if (engine() % 4) break;
        const std::string copy = copy_of_directory();  // kill -9, perhaps in the middle of an append
        store_.reset();
        std::filesystem::remove_all(directory_);
        std::filesystem::rename(copy, directory_);
        std::string last;
        for (const auto& e : std::filesystem::directory_iterator(directory_))
          if (e.path().extension() == ".segment") last = std::max(last, e.path().string());
        if (!last.empty() && engine() % 2)
          std::ofstream(last, std::ios::app | std::ios::binary) << std::string(engine() % 200, '\x90');
        open();
        break;
      }
    }
    if (step % 20 != 19) continue;
    ASSERT_EQ(store_->stats().blocks, model.size());
    auto page = store_->list({.limit = 10'000});
    ASSERT_EQ(page->blocks.size(), model.size());
    auto expected = model.begin();
    for (const StoredBlock& stored : page->blocks) {
      ASSERT_EQ(stored.name, expected->first);
      auto bytes = store_->get(stored.name.volume, stored.name.block);
      ASSERT_TRUE(bytes.ok());
      ASSERT_EQ(*bytes, (expected++)->second->bytes);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Model, ::testing::ValuesIn(skymoor::testing::seed_range(1, 13)));

}  // namespace
}  // namespace skymoor::server
