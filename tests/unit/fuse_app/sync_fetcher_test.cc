#include "fuse/app/mount/sync_fetcher.h"

#include <gtest/gtest.h>

#include "tests/unit/fuse_app/fake_engine.h"

namespace skymoor::client {
namespace {

TEST(SyncFetcher, UnboundEverythingRemoteIsOffline) {
  SyncFetcher fetcher;
  EXPECT_EQ(fetcher.fetch({Need::Kind::kDirectory, InodeId{1}, {}}, {}, {}).error().code(), Code::kOffline);
  EXPECT_EQ(fetcher.sync_remote(Lsn{1}, {}, {}).error().code(), Code::kOffline);
  EXPECT_EQ(fetcher.state_of(InodeId{1}), "pending");
  fetcher.changed();
  fetcher.prefetch(InodeId{1}, {});
}

TEST(SyncFetcher, NeedsGoToTheirCalls) {
  SyncFetcher fetcher;
  auto engine = std::make_shared<FakeEngine>();
  fetcher.bind(engine);
  EXPECT_TRUE(fetcher.fetch({Need::Kind::kDirectory, InodeId{1}, {}}, {}, {}).ok());
  EXPECT_TRUE(fetcher.fetch({Need::Kind::kInode, InodeId{2}, {}}, {}, {}).ok());
  EXPECT_TRUE(fetcher.fetch({Need::Kind::kContent, InodeId{3}, {}}, {}, {}).ok());
  EXPECT_TRUE(fetcher.fetch({Need::Kind::kFresh, InodeId{5}, {}}, {}, {}).ok());
  fetcher.prefetch(InodeId{4}, {});
  fetcher.changed();
  EXPECT_EQ(engine->calls,
            (std::vector<std::string>{"directory 1", "inode 2", "content 3", "catch up 0", "prefetch 4", "wake"}));
}

TEST(SyncFetcher, SpaceIsTheServersAndIsRememberedOffline) {
  SyncFetcher fetcher;
  VolumeStatistics old;
  old.total_bytes = 5;
  fetcher.remember(old);
  auto engine = std::make_shared<FakeEngine>();
  fetcher.bind(engine);
  EXPECT_EQ(fetcher.volume_statistics().total_bytes, 5u);
  protocol::VolumeInfo info;
  info.stored_bytes = 100;
  info.free_bytes = 900;
  engine->info = info;
  EXPECT_EQ(fetcher.volume_statistics().total_bytes, 1000u);
  fetcher.bind(nullptr);
  EXPECT_EQ(fetcher.volume_statistics().free_bytes, 900u);
}

TEST(Statistics, AQuotaIsTheSizeOfTheDisk) {
  protocol::VolumeInfo info;
  info.quota_bytes = 500;
  info.stored_bytes = 200;
  info.free_bytes = 100000;
  EXPECT_EQ(statistics_of(info).total_bytes, 500u);
  EXPECT_EQ(statistics_of(info).free_bytes, 300u);
  info.free_bytes = 50;  // the server's disk is fuller than the quota
  EXPECT_EQ(statistics_of(info).free_bytes, 50u);
  info.stored_bytes = 600;  // a quota that was lowered
  EXPECT_EQ(statistics_of(info).free_bytes, 0u);
}

}  // namespace
}  // namespace skymoor::client
