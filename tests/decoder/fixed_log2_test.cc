#include "decoder/fixed_log2.h"

#include <cmath>
#include <cstdint>

#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"

namespace ecf8 {
namespace {

TEST(FixedLog2Test, IsExactForPowersOfTwo) {
  for (uint32_t i = 0; i < 64; ++i) EXPECT_EQ(FixedLog2(uint64_t{1} << i), i * 256);
}

TEST(FixedLog2Test, IsAtMostOneStepTooLow) {
  TestRandom random(1);
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t value = 1 + (random.Next() >> (8 + random.Below(56)));
    const double exact = 256 * std::log2(static_cast<double>(value));
    EXPECT_LE(FixedLog2(value), exact + 1e-6) << value;
    EXPECT_GE(FixedLog2(value), exact - 2.5) << value;
  }
}

}  // namespace
}  // namespace ecf8
