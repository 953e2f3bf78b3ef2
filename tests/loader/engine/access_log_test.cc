#include "loader/engine/access_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace ecf8 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

void Happens(AccessLog& log, uint64_t key, Priority priority = Priority::kDemand) {
  log.OnEvent({.kind = EngineEvent::Kind::kAccess, .key = key, .priority = priority});
}

std::vector<uint64_t> Keys(const AccessLog::Batch& batch) {
  std::vector<uint64_t> keys;
  for (const LoggedAccess& access : batch.accesses) keys.push_back(access.key);
  return keys;
}

TEST(AccessLog, AReaderGetsWhatHappensFromThenOn) {
  AccessLog log;
  Happens(log, 1);
  AccessLog::Reader reader(log);
  EXPECT_THAT(Keys(reader.Read(10)), IsEmpty());
  Happens(log, 2);
  Happens(log, CacheKey(3, 4), Priority::kHinted);
  log.OnEvent({.kind = EngineEvent::Kind::kReady, .key = 5});
  Happens(log, 6, Priority::kPreload);
  const AccessLog::Batch batch = reader.Read(10);
  EXPECT_THAT(Keys(batch), ElementsAre(2, CacheKey(3, 4), 6));
  EXPECT_EQ(batch.accesses[0].access, Access::kDemand);
  EXPECT_EQ(batch.accesses[1].access, Access::kHint);
  EXPECT_EQ(batch.accesses[2].access, Access::kPreload);
  EXPECT_LE(batch.accesses[0].time_ns, batch.accesses[2].time_ns);
  EXPECT_LE(batch.accesses[2].time_ns, batch.time_ns);
  EXPECT_EQ(batch.lost, 0u);
  EXPECT_FALSE(batch.more);
  EXPECT_THAT(Keys(reader.Read(10)), IsEmpty());
}

TEST(AccessLog, NoMoreThanAskedFor) {
  AccessLog log;
  AccessLog::Reader reader(log);
  for (uint64_t key = 0; key < 5; ++key) Happens(log, key);
  AccessLog::Batch batch = reader.Read(3);
  EXPECT_THAT(Keys(batch), ElementsAre(0, 1, 2));
  EXPECT_TRUE(batch.more);
  batch = reader.Read(2);
  EXPECT_THAT(Keys(batch), ElementsAre(3, 4));
  EXPECT_FALSE(batch.more);
}

TEST(AccessLog, ASlowReaderLosesTheOldestAndIsTold) {
  AccessLog log(/*capacity=*/4);
  AccessLog::Reader slow(log);
  AccessLog::Reader quick(log);
  uint64_t quick_count = 0;
  for (uint64_t key = 0; key < 11; ++key) {
    Happens(log, key);
    const AccessLog::Batch batch = quick.Read(9);
    EXPECT_EQ(batch.lost, 0u);
    quick_count += batch.accesses.size();
  }
  EXPECT_EQ(quick_count, 11u);
  AccessLog::Batch batch = slow.Read(2);
  EXPECT_EQ(batch.lost, 7u);
  EXPECT_THAT(Keys(batch), ElementsAre(7, 8));
  for (uint64_t key = 11; key < 14; ++key) Happens(log, key);
  batch = slow.Read(9);
  EXPECT_EQ(batch.lost, 1u);
  EXPECT_THAT(Keys(batch), ElementsAre(10, 11, 12, 13));
}

TEST(AccessLog, ALaterReaderBeginsAtItsOwnStart) {
  AccessLog log(4);
  {
    AccessLog::Reader first(log);
    for (uint64_t key = 0; key < 7; ++key) Happens(log, key);
    AccessLog::Reader second(log);
    Happens(log, 7);
    EXPECT_THAT(Keys(second.Read(9)), ElementsAre(7));
  }
  Happens(log, 8);
  AccessLog::Reader third(log);
  for (uint64_t key = 20; key < 23; ++key) Happens(log, key);
  const AccessLog::Batch batch = third.Read(9);
  EXPECT_EQ(batch.lost, 0u);
  EXPECT_THAT(Keys(batch), ElementsAre(20, 21, 22));
}

TEST(AccessLog, ReadersComeAndGoWhileItHappens) {
  AccessLog log(64);
  std::atomic<bool> done = false;
  std::thread engine([&] {
    for (uint64_t key = 0; !done; ++key) Happens(log, key);
  });
  for (int i = 0; i < 200; ++i) {
    AccessLog::Reader reader(log);
    uint64_t next = 0;
    bool begun = false;
    for (int j = 0; j < 20; ++j) {
      const AccessLog::Batch batch = reader.Read(32);
      for (const LoggedAccess& access : batch.accesses) {
        // Without a gap, but for what it was told of.
        if (begun && access.key != next) {
          EXPECT_EQ(access.key, next + batch.lost);
        }
        begun = true;
        next = access.key + 1;
      }
    }
  }
  done = true;
  engine.join();
}

}  // namespace
}  // namespace ecf8
