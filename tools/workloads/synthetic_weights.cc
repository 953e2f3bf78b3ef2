#include "tools/workloads/synthetic_weights.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "loader/analysis/fp8_grid.h"

namespace ecf8 {
namespace {

constexpr size_t kBlock = 128;
constexpr float kLargest = 448;
// Of the rows' spreads, in powers of two.
constexpr float kSpreadDeviation = 0.4F;

// Splitmix64, whose sequence no library can change.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // Close to the standard normal law: eight uniform numbers.
  float Normal() {
    int64_t sum = 0;
    for (int word = 0; word < 2; ++word) {
      for (uint64_t bits = Next(), i = 0; i < 4; ++i, bits >>= 16) {
        sum += static_cast<int64_t>(bits & 0xFFFF) * 2 - 0xFFFF;
      }
    }
    return static_cast<float>(sum) / (2 * 65536 * 0.81649658F);  // sqrt(8/12)
  }

 private:
  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }

  uint64_t state_;
};

// Scales and casts columns `begin` to `end` of the rows in `values`.
void CastBlock(const std::vector<float>& values, size_t columns, size_t begin, size_t end,
               uint8_t* out) {
  float largest = 0;
  for (size_t i = begin; i < values.size(); i += columns) {
    for (size_t c = 0; c < end - begin; ++c) largest = std::max(largest, std::abs(values[i + c]));
  }
  const float scale = largest > 0 ? kLargest / largest : 1;
  for (size_t i = begin; i < values.size(); i += columns) {
    for (size_t c = 0; c < end - begin; ++c) out[i + c] = CastToE4M3(values[i + c] * scale);
  }
}

}  // namespace

void FillSyntheticE4M3(uint64_t seed, size_t columns, absl::Span<uint8_t> out) {
  Random random(seed);
  std::vector<float> values;  // of a row of blocks
  while (!out.empty()) {
    const size_t rows = std::min(kBlock, out.size() / columns);
    values.resize(rows * columns);
    for (size_t row = 0; row < rows; ++row) {
      const float spread = std::exp2(kSpreadDeviation * random.Normal());
      for (size_t c = 0; c < columns; ++c) values[row * columns + c] = spread * random.Normal();
    }
    for (size_t c = 0; c < columns; c += kBlock) {
      CastBlock(values, columns, c, std::min(c + kBlock, columns), out.data());
    }
    out.remove_prefix(values.size());
  }
}

}  // namespace ecf8
