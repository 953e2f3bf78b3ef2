#include "loader/memory/kept_memory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "loader/memory/arena.h"
#include "tests/support/held_descriptors.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::HeldDescriptors;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kSize = 16 * kFrameBytes;

LedgerUnit UnitAt(uint64_t first, uint64_t count, uint32_t index) {
  return {.model_digest = 5,
          .unit_index = index,
          .stored_size_bytes = count * kFrameBytes,
          .frames = {{first, count}}};
}

class KeptMemoryTest : public ::testing::Test {
 protected:
  std::unique_ptr<KeptMemory> Open(uint64_t size_bytes = kSize) {
    auto kept = KeptMemory::Open(store_, size_bytes);
    EXPECT_THAT(kept, IsOk());
    return *std::move(kept);
  }
  static std::unique_ptr<Arena> ArenaOn(const KeptMemory& kept) {
    auto arena = Arena::Create({.budget_bytes = kSize, .lock = false, .fd = kept.fd()});
    EXPECT_THAT(arena, IsOk());
    return *std::move(arena);
  }

  HeldDescriptors store_;
};

TEST_F(KeptMemoryTest, WhatOneProcessLeavesTheNextFinds) {
  {
    const auto kept = Open();
    EXPECT_THAT(kept->units(), IsEmpty());
    EXPECT_EQ(kept->discarded(), "");
    const auto arena = ArenaOn(*kept);
    std::fill_n(arena->memory().data() + 3 * kFrameBytes, 2 * kFrameBytes, uint8_t{0x5A});
    kept->ledger().Write(UnitAt(3, 2, 1));
  }
  EXPECT_EQ(store_.size(), 2u);
  const auto kept = Open();
  EXPECT_THAT(kept->units(), ElementsAre(UnitAt(3, 2, 1)));
  EXPECT_EQ(kept->discarded(), "");
  const auto arena = ArenaOn(*kept);
  const uint8_t* const memory = arena->memory().data();
  EXPECT_TRUE(std::all_of(memory + 3 * kFrameBytes, memory + 5 * kFrameBytes,
                          [](uint8_t byte) { return byte == 0x5A; }));
  EXPECT_EQ(memory[0], 0);
}

TEST_F(KeptMemoryTest, NobodyMakesItSmaller) {
  const auto kept = Open();
  EXPECT_NE(ftruncate(kept->fd(), 0), 0);
  EXPECT_NE(ftruncate(kept->fd(), 2 * kSize), 0);
}

TEST_F(KeptMemoryTest, ForAnotherBudgetThereIsNewMemory) {
  Open()->ledger().Write(UnitAt(3, 2, 1));
  const auto kept = Open(2 * kSize);
  EXPECT_THAT(kept->units(), IsEmpty());
  EXPECT_THAT(kept->discarded(), HasSubstr("another size"));
  EXPECT_EQ(Open(2 * kSize)->discarded(), "") << "the new memory is in the store";
}

TEST_F(KeptMemoryTest, HalfOfItIsNothing) {
  Open()->ledger().Write(UnitAt(3, 2, 1));
  store_.Remove("ecf8-ledger");
  EXPECT_THAT(Open()->discarded(), HasSubstr("missing"));
  EXPECT_EQ(Open()->discarded(), "");
}

TEST_F(KeptMemoryTest, ADamagedLedgerIsNothing) {
  Open()->ledger().Write(UnitAt(3, 2, 1));
  ASSERT_EQ(pwrite(store_.fd("ecf8-ledger"), "x", 1, 0), 1);
  EXPECT_THAT(Open()->discarded(), HasSubstr("damaged"));
}

// A file that could shrink would end whoever has it mapped.
TEST_F(KeptMemoryTest, FilesOfOthersAreNotTrusted) {
  for (const std::string name : {"ecf8-arena", "ecf8-ledger"}) {
    Open();
    store_.Remove(name);
    const Descriptor loose(memfd_create("loose", MFD_CLOEXEC));
    const uint64_t size = name == "ecf8-arena" ? kSize : FrameLedger::SizeBytes(16);
    ASSERT_EQ(ftruncate(loose.get(), static_cast<off_t>(size)), 0);
    ASSERT_THAT(store_.Put(name, loose), IsOk());
    EXPECT_THAT(Open()->discarded(), HasSubstr("another size"));
  }
}

TEST_F(KeptMemoryTest, WhereTheStoreFailsThereIsNone) {
  store_.put_status = absl::InternalError("no store");
  EXPECT_THAT(KeptMemory::Open(store_, kSize),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("no store")));
}

TEST_F(KeptMemoryTest, IsForgotten) {
  Open();
  KeptMemory::Discard(store_);
  EXPECT_EQ(store_.size(), 0u);
}

// Reads into frames 5, 6 and 15 may still be under way, for the process that was killed.
TEST_F(KeptMemoryTest, PagesThatTheDiskMayBeWritingAreReplaced) {
  void* late = nullptr;
  {
    const auto kept = Open();
    kept->ledger().Write(UnitAt(0, 4, 1));
    kept->ledger().Write(UnitAt(4, 1, 2));  // shares a huge page with frame 5
    kept->ledger().Write(UnitAt(8, 4, 3));
    kept->ledger().Write(UnitAt(12, 3, 4));  // likewise with frame 15
    kept->ledger().Mark({5, 2}, true);
    kept->ledger().Mark({15, 1}, true);
    late = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, kept->fd(), 0);
    std::fill_n(static_cast<uint8_t*>(late), kSize, uint8_t{1});
  }
  const auto kept = Open();
  EXPECT_THAT(kept->units(), ElementsAre(UnitAt(0, 4, 1), UnitAt(8, 4, 3)));
  EXPECT_THAT(kept->ledger().Read(), ElementsAre(UnitAt(0, 4, 1), UnitAt(8, 4, 3)));
  EXPECT_FALSE(kept->ledger().IsMarked(5));
  const auto arena = ArenaOn(*kept);
  const uint8_t* const memory = arena->memory().data();
  for (uint64_t frame = 0; frame < 16; ++frame) {
    const bool replaced = (frame >= 4 && frame < 8) || frame >= 14;
    EXPECT_EQ(memory[frame * kFrameBytes], replaced ? 0 : 1) << frame;
  }
  munmap(late, kSize);
}

}  // namespace
}  // namespace ecf8
