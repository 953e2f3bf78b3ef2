// Weights of many kinds for tests: always the same bytes for the same arguments.
#ifndef ECF8_TESTS_DECODER_WEIGHT_SAMPLES_H_
#define ECF8_TESTS_DECODER_WEIGHT_SAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/format.h"

namespace ecf8 {

// A small generator whose sequence no library can change (splitmix64).
class TestRandom {
 public:
  explicit TestRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  // 0 to limit - 1.
  size_t Below(size_t limit) { return static_cast<size_t>(Next() % limit); }

 private:
  uint64_t state_;
};

// "gaussian" (as trained weights), "mixed" (groups of different spread), "all_bytes", "one_symbol",
// "two_symbols", "noise", "fibonacci" (frequencies that hit the code length limit).
absl::Span<const std::string_view> WeightKinds();
std::vector<uint8_t> MakeWeights(std::string_view kind, Codec codec, size_t count, uint64_t seed);

// The tables that the search finds for `weights` alone.
TableSet TablesFor(Codec codec, absl::Span<const uint8_t> weights);

}  // namespace ecf8

#endif  // ECF8_TESTS_DECODER_WEIGHT_SAMPLES_H_
