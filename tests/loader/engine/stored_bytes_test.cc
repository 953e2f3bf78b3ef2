#include "loader/engine/stored_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "loader/io/block_reader.h"

namespace ecf8 {
namespace {

TEST(SliceOf, IsWhatTheRunsHoldOneAfterAnother) {
  std::vector<uint8_t> bytes(60);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  std::vector<uint8_t> scratch;
  // The runs lie in another order than they are read.
  std::vector<uint8_t> memory(60);
  const Extents extents = {absl::MakeSpan(memory).subspan(40, 20),
                           absl::MakeSpan(memory).subspan(0, 10),
                           absl::MakeSpan(memory).subspan(10, 30)};
  std::copy_n(bytes.begin(), 20, memory.begin() + 40);
  std::copy_n(bytes.begin() + 20, 40, memory.begin());
  for (size_t offset = 0; offset <= bytes.size(); ++offset) {
    for (size_t size = 0; offset + size <= bytes.size(); ++size) {
      const auto slice = SliceOf(extents, offset, size, &scratch);
      ASSERT_EQ(slice, absl::MakeConstSpan(bytes).subspan(offset, size)) << offset << " " << size;
    }
  }
  // Within a run, nothing is copied.
  EXPECT_EQ(SliceOf(extents, 3, 17, &scratch).data(), memory.data() + 43);
}

TEST(CopyInto, PutsBytesWhereSliceOfFindsThem) {
  std::vector<uint8_t> bytes(60);
  std::iota(bytes.begin(), bytes.end(), uint8_t{1});
  std::vector<uint8_t> scratch;
  for (size_t offset = 0; offset <= bytes.size(); ++offset) {
    for (size_t size = 0; offset + size <= bytes.size(); ++size) {
      std::vector<uint8_t> memory(60);
      const auto all = absl::MakeSpan(memory);
      const Extents extents = {all.subspan(40, 20), all.subspan(0, 10), all.subspan(10, 30)};
      const auto part = absl::MakeConstSpan(bytes).subspan(offset, size);
      CopyInto(extents, offset, part);
      ASSERT_EQ(SliceOf(extents, offset, size, &scratch), part) << offset << " " << size;
      // And nowhere else.
      ASSERT_EQ(std::count(memory.begin(), memory.end(), 0), 60 - static_cast<ptrdiff_t>(size));
    }
  }
}

TEST(PlanReads, CoversTheUnitAndEndsWhereItEnds) {
  std::vector<uint8_t> memory(uint64_t{16} << 20);
  const auto all = absl::MakeSpan(memory);
  const Extents extents = {all.subspan(0, 9 << 20), all.subspan(12 << 20, 2 << 20)};
  const uint64_t size = (uint64_t{10} << 20) + 777;
  uint64_t offset = 0;
  for (const PlannedRead& read : PlanReads(extents, size)) {
    EXPECT_EQ(read.offset_bytes, offset);
    EXPECT_EQ(read.offset_bytes % kBlockBytes, 0u);
    EXPECT_LE(read.size_bytes, kMaxReadBytes);
    const uint64_t in_memory = offset < (9 << 20) ? offset : offset + (3 << 20);
    EXPECT_EQ(read.data, memory.data() + in_memory);
    offset += read.size_bytes;
  }
  EXPECT_EQ(offset, size);
  EXPECT_TRUE(PlanReads({}, 0).empty());
}

}  // namespace
}  // namespace ecf8
