#include "tests/decoder/weight_samples.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "decoder/format.h"
#include "decoder/table_search.h"

namespace ecf8 {
namespace {

constexpr std::array<std::string_view, 7> kKinds = {
    "gaussian", "mixed", "all_bytes", "one_symbol", "two_symbols", "noise", "fibonacci"};

int MantissaBits(Codec codec) { return codec == Codec::kE4M3 ? 3 : 2; }
int MaxExponent(Codec codec) { return codec == Codec::kE4M3 ? 15 : 31; }

uint8_t Weight(Codec codec, int exponent, uint64_t random) {
  const int mantissa_bits = MantissaBits(codec);
  const auto mantissa = static_cast<int>(random & ((1u << mantissa_bits) - 1));
  const int clamped = std::clamp(exponent, 0, MaxExponent(codec));
  return static_cast<uint8_t>((random >> 8 & 1) << 7 | clamped << mantissa_bits | mantissa);
}

// A sum of uniform numbers is close to a normal one; its bit width is its exponent.
uint8_t Gaussian(Codec codec, TestRandom* random, int shift) {
  int64_t sum = 0;
  for (int i = 0; i < 12; ++i) sum += static_cast<int64_t>(random->Below(1 << 16)) - (1 << 15);
  const auto magnitude = static_cast<uint64_t>(sum < 0 ? -sum : sum);
  const int width = static_cast<int>(std::bit_width(magnitude));
  return Weight(codec, width - 18 + MaxExponent(codec) * 2 / 3 - shift, random->Next());
}

// Exponent e with frequency Fibonacci(e): the deepest possible Huffman tree.
uint8_t Fibonacci(Codec codec, TestRandom* random) {
  uint64_t a = 1;
  uint64_t b = 1;
  const uint64_t pick = random->Next() % 3'524'577;  // the sum of the first 31
  uint64_t sum = 0;
  int exponent = 0;
  while ((sum += a) <= pick) {
    const uint64_t next = a + b;
    a = b;
    b = next;
    ++exponent;
  }
  return Weight(codec, MaxExponent(codec) - std::max(0, 31 - exponent), 0);
}

}  // namespace

uint64_t TestRandom::Next() {
  uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

absl::Span<const std::string_view> WeightKinds() { return kKinds; }

std::vector<uint8_t> MakeWeights(std::string_view kind, Codec codec, size_t count, uint64_t seed) {
  TestRandom random(seed);
  std::vector<uint8_t> weights(count);
  for (size_t i = 0; i < count; ++i) {
    uint8_t& weight = weights[i];
    if (kind == "gaussian") {
      weight = Gaussian(codec, &random, 0);
    } else if (kind == "mixed") {
      weight = Gaussian(codec, &random, static_cast<int>(i / kGroupWeights * 7 % 5));
    } else if (kind == "all_bytes") {
      // Every byte in its turn, then small ones, so that it is still worth coding.
      weight = i % kGroupWeights < 256 ? static_cast<uint8_t>(i) : Weight(codec, 5, random.Next());
    } else if (kind == "one_symbol") {
      weight = Weight(codec, 6, random.Next());
    } else if (kind == "two_symbols") {
      weight = Weight(codec, random.Below(16) == 0 ? 3 : 4, random.Next());
    } else if (kind == "noise") {
      weight = static_cast<uint8_t>(random.Next());
    } else {
      weight = Fibonacci(codec, &random);
    }
  }
  return weights;
}

TableSet TablesFor(Codec codec, absl::Span<const uint8_t> weights) {
  TableSearch search(codec);
  search.Add(weights);
  return search.Build();
}

}  // namespace ecf8
