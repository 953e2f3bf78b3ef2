// The host device: its memory, its queue, its threads. What jobs do: device_conformance_test.cc.

#include "loader/engine/host_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <vector>

#include "decoder/checksum.h"
#include "loader/memory/slot_space.h"
#include "tests/support/job_results.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::JobResults;
using ::ecf8::testing::StatusIs;

// A unit of one raw piece, stored as it is.
struct RawUnit {
  explicit RawUnit(size_t size) : bytes(size) {
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 7);
    unit.pieces.emplace_back().decoded_size_bytes = size;
    parts.push_back({.piece = 0,
                     .stored_size_bytes = static_cast<uint32_t>(size),
                     .decoded_size_bytes = static_cast<uint32_t>(size),
                     .xxh3 = Xxh3(bytes)});
    stored = {absl::MakeSpan(bytes)};
  }
  std::vector<uint8_t> bytes;
  Unit unit;
  std::vector<UnitPart> parts;
  Extents stored;
};

TEST(HostDevice, GivesTheMemoryThatWasAskedFor) {
  JobResults results;
  auto device = HostDevice::Create({.slot_budget_bytes = 2 * kSlotPageBytes + 5,
                                    .frame_budget_bytes = 3 * kDeviceFrameBytes + 5,
                                    .threads = 2},
                                   results);
  ASSERT_THAT(device, IsOk());
  (*device)->WaitUntilTouched();
  EXPECT_EQ((*device)->slot_memory_dev().size(), 2 * kSlotPageBytes);
  EXPECT_EQ((*device)->frame_memory_dev().size(), 3 * kDeviceFrameBytes);
  auto without = HostDevice::Create({.threads = 1}, results);
  ASSERT_THAT(without, IsOk());
  EXPECT_TRUE((*without)->slot_memory_dev().empty());
  EXPECT_TRUE((*without)->frame_memory_dev().empty());
}

TEST(HostDevice, ItsSlotsCanBeMappedByOthers) {
  JobResults results;
  auto device = HostDevice::Create(
      {.slot_budget_bytes = 3 * kSlotPageBytes, .threads = 1, .touch = false}, results);
  ASSERT_THAT(device, IsOk());
  const SharedSlots shared = (*device)->shared_slots();
  ASSERT_TRUE(shared.can_be_mapped());
  EXPECT_EQ(shared.slot_bytes, 3 * kSlotPageBytes);
  ASSERT_EQ(shared.generations.size(), 3u);
  EXPECT_GE(shared.generation_bytes, 3 * sizeof(SlotGeneration));
  (*device)->slot_memory_dev().back() = 77;
  shared.generations[2] = 99;
  void* const slots = mmap(nullptr, shared.slot_bytes, PROT_READ, MAP_SHARED, shared.slot_fd, 0);
  void* const counters =
      mmap(nullptr, shared.generation_bytes, PROT_READ, MAP_SHARED, shared.generation_fd, 0);
  ASSERT_NE(slots, MAP_FAILED);
  ASSERT_NE(counters, MAP_FAILED);
  EXPECT_EQ(static_cast<const uint8_t*>(slots)[shared.slot_bytes - 1], 77);
  EXPECT_EQ(static_cast<const SlotGeneration*>(counters)[2], 99u);
  munmap(slots, shared.slot_bytes);
  munmap(counters, shared.generation_bytes);
}

TEST(HostDevice, FinishesWhatItTookBeforeItGoes) {
  JobResults results;
  auto device = HostDevice::Create({.threads = 1}, results);
  ASSERT_THAT(device, IsOk());
  const RawUnit raw(1 << 20);
  const size_t depth = (*device)->info().queue_depth;
  for (uint64_t tag = 0; tag < depth; ++tag) {
    ASSERT_TRUE((*device)->TrySubmit(
        {.tag = tag, .unit = &raw.unit, .parts = raw.parts, .host = &raw.stored, .verify = true}));
  }
  device->reset();
  EXPECT_EQ(results.Wait(depth).size(), depth);
}

TEST(HostDevice, RefusesCoresThatAreNotThere) {
  JobResults results;
  EXPECT_THAT(HostDevice::Create({.threads = 1, .cores = {4095}}, results),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("4095")));
}

}  // namespace
}  // namespace ecf8
