#include "loader/analysis/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "decoder/endian.h"
#include "loader/analysis/fp8_grid.h"

namespace ecf8 {
namespace {

constexpr size_t kKeyCount = 65536;

float FromBF16(uint32_t key) { return std::bit_cast<float>(key << 16); }

float FromF16(uint32_t key) {
  const int exponent = static_cast<int>(key >> 10 & 0x1F);
  const int mantissa = static_cast<int>(key & 0x3FF);
  float magnitude = 0;
  if (exponent == 31) {
    magnitude = mantissa == 0 ? INFINITY : NAN;
  } else {
    magnitude = std::ldexp(static_cast<float>(mantissa + (exponent > 0 ? 1024 : 0)),
                           std::max(exponent, 1) - 25);
  }
  return std::copysign(magnitude, (key & 0x8000) != 0 ? -1.0F : 1.0F);
}

template <typename T>
double Entropy(absl::Span<const T> counts) {
  double total = 0;
  for (const T count : counts) total += static_cast<double>(count);
  double bits = 0;
  for (const T count : counts) {
    if (count == 0) continue;
    const double p = static_cast<double>(count) / total;
    bits -= p * std::log2(p);
  }
  return bits;
}

}  // namespace

void CountBytes(absl::Span<const uint8_t> weights, ByteCounts& counts) {
  // Four histograms, as adding twice to one counter in a row waits for the first store.
  std::array<std::array<uint32_t, 256>, 4> parts{};
  constexpr size_t kMaxPart = size_t{1} << 30;  // 32-bit counters hold it
  while (!weights.empty()) {
    const absl::Span<const uint8_t> part = weights.subspan(0, kMaxPart);
    size_t i = 0;
    for (; i + 8 <= part.size(); i += 8) {
      const uint64_t word = LoadLe64(part.data() + i);
      for (size_t byte = 0; byte < 8; ++byte) ++parts[byte % 4][word >> (8 * byte) & 0xFF];
    }
    for (; i < part.size(); ++i) ++parts[0][part[i]];
    for (auto& histogram : parts) {
      for (size_t value = 0; value < 256; ++value) counts[value] += histogram[value];
      histogram.fill(0);
    }
    weights.remove_prefix(part.size());
  }
}

double EntropyBits(absl::Span<const uint64_t> counts) { return Entropy(counts); }
double EntropyBits(absl::Span<const double> shares) { return Entropy(shares); }

bool IsWideFloat(DType dtype) {
  return dtype == DType::kBF16 || dtype == DType::kF16 || dtype == DType::kF32;
}

WideFloats::WideFloats(DType dtype) : dtype_(dtype), cast_(kKeyCount) {
  for (uint32_t key = 0; key < kKeyCount; ++key) {
    cast_[key] = CastToE4M3(dtype == DType::kF16 ? FromF16(key) : FromBF16(key));
  }
}

template <typename Visit>
void WideFloats::ForEachKey(absl::Span<const uint8_t> values, Visit visit) const {
  if (dtype_ == DType::kF32) {
    for (size_t i = 0; i + 4 <= values.size(); i += 4) {
      const uint32_t bits = LoadLe32(values.data() + i);
      visit(bits >> 16 | ((bits & 0xFFFF) != 0 ? 1U : 0U));
    }
    return;
  }
  for (size_t i = 0; i + 2 <= values.size(); i += 2) {
    uint16_t key;
    std::memcpy(&key, values.data() + i, 2);
    visit(uint32_t{key});
  }
}

void WideFloats::Count(absl::Span<const uint8_t> values, ByteCounts& cast,
                       ByteCounts& exponents) const {
  std::vector<uint32_t> keys(kKeyCount, 0);
  ForEachKey(values, [&keys](uint32_t key) { ++keys[key]; });
  for (size_t key = 0; key < kKeyCount; ++key) {
    if (keys[key] == 0) continue;
    cast[cast_[key]] += keys[key];
    exponents[dtype_ == DType::kF16 ? key >> 10 & 0x1F : key >> 7 & 0xFF] += keys[key];
  }
}

void WideFloats::Cast(absl::Span<const uint8_t> values, std::vector<uint8_t>* cast) const {
  cast->clear();
  ForEachKey(values, [this, cast](uint32_t key) { cast->push_back(cast_[key]); });
}

}  // namespace ecf8
