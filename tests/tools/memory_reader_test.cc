#include "tools/workloads/memory_reader.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace ecf8 {
namespace {

// Words of eight bytes as the machine has them, and the bytes behind the last of each part.
TEST(MemoryReader, EveryByteCounts) {
  MemoryReader reader(3);
  for (const size_t size : {0, 1, 63, 64, 300'000, 1'000'003}) {
    std::vector<uint8_t> bytes(size, 0);
    EXPECT_EQ(reader.Read(bytes), 0u);
    for (size_t i = 0; i < size; i += 1 + size / 17) {
      bytes[i] = 1;
      EXPECT_NE(reader.Read(bytes), 0u) << i << " of " << size;
      bytes[i] = 0;
    }
    if (size == 0) continue;
    bytes.back() = 1;
    EXPECT_NE(reader.Read(bytes), 0u) << size;
  }
}

}  // namespace
}  // namespace ecf8
