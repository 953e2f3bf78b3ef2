#include "loader/memory/arena.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "loader/base/descriptor.h"
#include "loader/memory/memory_calls.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::SizeIs;
using testing::StatusIs;

// A machine of the test's making.
class TestCalls : public MemoryCalls {
 public:
  void* Map(uint64_t size_bytes, int flags) override {
    const bool huge = (flags & MAP_HUGETLB) != 0;
    if (huge ? !has_huge_pages : map_fails) {
      errno = ENOMEM;
      return MAP_FAILED;
    }
    return MemoryCalls::Map(size_bytes, flags & ~(MAP_HUGETLB | (63 << MAP_HUGE_SHIFT)));
  }
  int Advise(absl::Span<uint8_t> memory, int advice) override {
    if (advice == MADV_HUGEPAGE && !has_transparent_pages) return EINVAL;
    if (advice == MADV_POPULATE_WRITE && populate_error != 0) return populate_error;
    if (advice == kCollapse) collapsed = true;
    return MemoryCalls::Advise(memory, advice);
  }
  void* MapFile(uint8_t* at, uint64_t size_bytes, int fd) override {
    if (file_map_fails) {
      errno = ENOMEM;
      return MAP_FAILED;
    }
    return MemoryCalls::MapFile(at, size_bytes, fd);
  }
  int Lock(absl::Span<uint8_t> memory) override {
    locked_bytes += memory.size();
    return lock_error;
  }
  uint64_t LockLimitBytes() override { return 65536; }
  std::optional<int> CurrentNode() override { return node; }
  int PreferNode(absl::Span<uint8_t> /*memory*/, int wanted) override {
    preferred = wanted;
    return node_error;
  }

  static constexpr int kCollapse = 25;  // MADV_COLLAPSE
  std::atomic<bool> collapsed = false;
  bool file_map_fails = false;
  bool has_huge_pages = false;
  bool has_transparent_pages = true;
  bool map_fails = false;
  int populate_error = 0;
  int lock_error = 0;
  uint64_t locked_bytes = 0;
  std::optional<int> node;
  std::optional<int> preferred;
  int node_error = 0;
};

class ArenaTest : public ::testing::Test {
 protected:
  std::unique_ptr<Arena> Make(uint64_t frames, std::optional<int> node = std::nullopt) {
    auto arena =
        Arena::Create({.budget_bytes = frames * kFrameBytes, .numa_node = node, .calls = &calls_});
    EXPECT_THAT(arena, IsOk());
    return *std::move(arena);
  }

  TestCalls calls_;
};

TEST_F(ArenaTest, BudgetIsRoundedDownToHugePages) {
  EXPECT_THAT(Arena::Create({.budget_bytes = kHugePageBytes - 1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2097151 bytes")));
  EXPECT_THAT(Arena::Create({.budget_bytes = 0}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the least is 2097152")));
  const auto arena = Make(5);
  EXPECT_EQ(arena->capacity_bytes(), 4 * kFrameBytes);
  EXPECT_EQ(arena->free_bytes(), 4 * kFrameBytes);
  EXPECT_EQ(arena->largest_run_bytes(), 4 * kFrameBytes);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(arena->memory().data()) % kHugePageBytes, 0);
}

TEST_F(ArenaTest, SizesAreRoundedUpToFrames) {
  const auto arena = Make(8);
  for (const auto& [size_bytes, frames] :
       std::vector<std::pair<uint64_t, uint64_t>>{{1, 1},
                                                  {kFrameBytes - 1, 1},
                                                  {kFrameBytes, 1},
                                                  {kFrameBytes + 1, 2},
                                                  {8 * kFrameBytes, 8}}) {
    SCOPED_TRACE(size_bytes);
    const std::optional<Extents> extents = arena->Allocate(size_bytes);
    ASSERT_TRUE(extents.has_value());
    ASSERT_THAT(*extents, SizeIs(1));
    EXPECT_EQ((*extents)[0].size(), frames * kFrameBytes);
    EXPECT_EQ(arena->free_bytes(), (8 - frames) * kFrameBytes);
    arena->Free(*extents);
    EXPECT_EQ(arena->free_bytes(), 8 * kFrameBytes);
  }
  const std::optional<Extents> nothing = arena->Allocate(0);
  ASSERT_TRUE(nothing.has_value());
  EXPECT_THAT(*nothing, IsEmpty());
  arena->Free(*nothing);
}

TEST_F(ArenaTest, WhatDoesNotFitTakesNothing) {
  const auto arena = Make(4);
  const std::optional<Extents> held = arena->Allocate(2 * kFrameBytes);
  EXPECT_EQ(arena->Allocate(3 * kFrameBytes), std::nullopt);
  EXPECT_EQ(arena->Allocate(std::numeric_limits<uint64_t>::max()), std::nullopt);
  EXPECT_EQ(arena->free_bytes(), 2 * kFrameBytes);
  arena->Free(*held);
}

TEST_F(ArenaTest, FragmentedMemoryComesInSeveralExtents) {
  const auto arena = Make(8);
  std::vector<Extents> frames;
  for (int i = 0; i < 8; ++i) frames.push_back(*arena->Allocate(1));
  for (int i : {1, 2, 3, 6}) arena->Free(frames[i]);
  EXPECT_EQ(arena->free_bytes(), 4 * kFrameBytes);
  EXPECT_EQ(arena->largest_run_bytes(), 3 * kFrameBytes);
  const std::optional<Extents> extents = arena->Allocate(4 * kFrameBytes);
  ASSERT_TRUE(extents.has_value());
  uint8_t* const base = arena->memory().data();
  EXPECT_THAT(*extents, ElementsAre(absl::Span<uint8_t>(base + kFrameBytes, 3 * kFrameBytes),
                                    absl::Span<uint8_t>(base + 6 * kFrameBytes, kFrameBytes)));
}

TEST_F(ArenaTest, MemoryIsWritableAndOwnedOnce) {
  const auto arena = Make(16);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 200; ++i) {
        const std::optional<Extents> extents = arena->Allocate((i % 4 + 1) * kFrameBytes);
        if (!extents.has_value()) continue;
        for (const auto& extent : *extents) extent.front() = static_cast<uint8_t>(thread);
        for (const auto& extent : *extents) EXPECT_EQ(extent.front(), thread);
        arena->Free(*extents);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(arena->largest_run_bytes(), 16 * kFrameBytes);
}

TEST_F(ArenaTest, TouchingKeepsWhatIsThereAndTellsOfIt) {
  const auto arena = Make(40);
  const Extents extents = *arena->Allocate(40 * kFrameBytes);
  extents[0].front() = 1;
  extents[0].back() = 2;
  EXPECT_EQ(arena->touched_bytes(), 0);
  std::atomic<uint64_t> told_bytes = 0;
  ASSERT_THAT(
      arena->StartTouching(3, [&](absl::Span<uint8_t> piece) { told_bytes += piece.size(); }),
      IsOk());
  EXPECT_TRUE(arena->WaitUntilTouched());
  arena->StopTouching();
  EXPECT_EQ(arena->touched_bytes(), 40 * kFrameBytes);
  EXPECT_EQ(told_bytes, 40 * kFrameBytes);
  EXPECT_EQ(extents[0].front(), 1);
  EXPECT_EQ(extents[0].back(), 2);
  // All pages are there.
  std::vector<unsigned char> resident(40 * kFrameBytes / 4096);
  ASSERT_EQ(::mincore(extents[0].data(), extents[0].size(), resident.data()), 0);
  for (const unsigned char page : resident) ASSERT_EQ(page & 1, 1);
}

TEST_F(ArenaTest, TouchingEndsWhereTheKernelCannot) {
  calls_.populate_error = EINVAL;
  const auto arena = Make(40);
  ASSERT_THAT(arena->StartTouching(2, [](absl::Span<uint8_t>) { ADD_FAILURE(); }), IsOk());
  EXPECT_FALSE(arena->WaitUntilTouched());
  EXPECT_EQ(arena->touched_bytes(), 0);
}

TEST_F(ArenaTest, MayGoWhileItIsTouched) {
  for (int i = 0; i < 5; ++i) {
    const auto arena = Make(64);
    ASSERT_THAT(arena->StartTouching(2, nullptr), IsOk());
  }
}

TEST_F(ArenaTest, TakesReservedHugePagesFirst) {
  EXPECT_EQ(Make(4)->info().huge_pages, HugePages::kTransparent);
  calls_.has_huge_pages = true;
  EXPECT_EQ(Make(4)->info().huge_pages, HugePages::kReserved);
  calls_.has_huge_pages = false;
  calls_.has_transparent_pages = false;
  const auto arena = Make(4);
  EXPECT_EQ(arena->info().huge_pages, HugePages::kNone);
  EXPECT_THAT(arena->info().warnings, ElementsAre(HasSubstr("vm.nr_hugepages=2")));
}

TEST_F(ArenaTest, NoMemoryIsAnError) {
  calls_.map_fails = true;
  EXPECT_THAT(Arena::Create({.budget_bytes = kHugePageBytes, .calls = &calls_}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("cannot map 2.00 MiB")));
}

TEST_F(ArenaTest, SaysWhichLockLimitToSet) {
  const auto locked = Make(4);
  EXPECT_TRUE(locked->info().locked);
  EXPECT_THAT(locked->info().warnings, IsEmpty());
  EXPECT_EQ(calls_.locked_bytes, 4 * kFrameBytes);
  calls_.lock_error = ENOMEM;
  const auto arena = Make(4);
  EXPECT_FALSE(arena->info().locked);
  EXPECT_THAT(arena->info().warnings,
              ElementsAre(AllOf(HasSubstr("RLIMIT_MEMLOCK is 65536 bytes, 4194304 are needed"),
                                HasSubstr("ulimit -l 4096"), HasSubstr("LimitMEMLOCK=4194304"))));
  auto unlocked = Arena::Create({.budget_bytes = kHugePageBytes, .lock = false, .calls = &calls_});
  ASSERT_THAT(unlocked, IsOk());
  EXPECT_THAT((*unlocked)->info().warnings, IsEmpty());
}

TEST_F(ArenaTest, MemoryComesFromTheThreadsNode) {
  EXPECT_EQ(Make(4)->info().numa_node, std::nullopt);
  EXPECT_EQ(calls_.preferred, std::nullopt);
  calls_.node = 1;
  EXPECT_EQ(Make(4)->info().numa_node, 1);
  EXPECT_EQ(calls_.preferred, 1);
  EXPECT_EQ(Make(4, /*node=*/3)->info().numa_node, 3);
  calls_.node_error = EPERM;
  const auto arena = Make(4);
  EXPECT_EQ(arena->info().numa_node, std::nullopt);
  EXPECT_THAT(arena->info().warnings, ElementsAre(HasSubstr("NUMA node 1")));
}

TEST_F(ArenaTest, AFilesMemoryIsSharedAndGetsHugePagesWhenItIsTouched) {
  const Descriptor file(memfd_create("arena", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), 4 * kFrameBytes), 0);
  calls_.has_huge_pages = true;  // that are for private memory
  auto arena = Arena::Create({.budget_bytes = 4 * kFrameBytes, .fd = file.get(), .calls = &calls_});
  ASSERT_THAT(arena, IsOk());
  EXPECT_EQ((*arena)->info().huge_pages, HugePages::kTransparent);
  EXPECT_EQ(reinterpret_cast<uintptr_t>((*arena)->memory().data()) % kHugePageBytes, 0);
  EXPECT_EQ(calls_.locked_bytes, 4 * kFrameBytes);
  ASSERT_THAT((*arena)->StartTouching(1, nullptr), IsOk());
  ASSERT_TRUE((*arena)->WaitUntilTouched());
  EXPECT_TRUE(calls_.collapsed);
  (*arena)->memory()[3 * kFrameBytes] = 9;
  uint8_t byte = 0;
  ASSERT_EQ(pread(file.get(), &byte, 1, 3 * kFrameBytes), 1);
  EXPECT_EQ(byte, 9);
  calls_.file_map_fails = true;
  EXPECT_THAT(Arena::Create({.budget_bytes = 4 * kFrameBytes, .fd = file.get(), .calls = &calls_}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("cannot map")));
}

TEST_F(ArenaTest, TheRealMachineGivesMemory) {
  auto arena = Arena::Create({.budget_bytes = 16 * kFrameBytes});
  ASSERT_THAT(arena, IsOk());
  ASSERT_THAT((*arena)->StartTouching(1, nullptr), IsOk());
  EXPECT_TRUE((*arena)->WaitUntilTouched());
  const std::optional<Extents> extents = (*arena)->Allocate(16 * kFrameBytes);
  ASSERT_TRUE(extents.has_value());
  (*extents)[0].back() = 1;
  EXPECT_EQ((*arena)->info().numa_node, MemoryCalls::System().CurrentNode());
}

}  // namespace
}  // namespace ecf8
