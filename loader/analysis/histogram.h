// Counting the values of weights, at about the speed of memory.
#ifndef ECF8_LOADER_ANALYSIS_HISTOGRAM_H_
#define ECF8_LOADER_ANALYSIS_HISTOGRAM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "loader/checkpoint/dtype.h"

namespace ecf8 {

using ByteCounts = std::array<uint64_t, 256>;

// Adds the bytes of `weights` to `counts`.
void CountBytes(absl::Span<const uint8_t> weights, ByteCounts& counts);

// Shannon's entropy of a histogram (counts, or shares of any sum) in bits; 0 for an empty one.
double EntropyBits(absl::Span<const uint64_t> counts);
double EntropyBits(absl::Span<const double> shares);

// True for the dtypes that WideFloats takes: BF16, F16, F32.
bool IsWideFloat(DType dtype);

// What casting a wider float to E4M3 would give. Immutable and thread-safe.
//
// Every number is first narrowed to a 16-bit key that rounds to the same E4M3 number and has the
// same exponent field: the number itself for BF16 and F16; for F32 its upper half, whose last bit
// is set if any bit of the lower half is ("round to odd", after which a second rounding to at most
// 7 bits is exact). So 65,536 conversions serve any number of weights.
class WideFloats {
 public:
  // `dtype` is a wide float.
  explicit WideFloats(DType dtype);

  // Adds to `cast` the E4M3 bytes of `values` (little-endian, whole elements), and to `exponents`
  // (BF16 and F32: 256 values, F16: 32) their own exponent fields.
  void Count(absl::Span<const uint8_t> values, ByteCounts& cast, ByteCounts& exponents) const;

  // The E4M3 bytes of `values`, one each.
  void Cast(absl::Span<const uint8_t> values, std::vector<uint8_t>* cast) const;

 private:
  template <typename Visit>
  void ForEachKey(absl::Span<const uint8_t> values, Visit visit) const;

  DType dtype_;
  std::vector<uint8_t> cast_;  // of each key
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ANALYSIS_HISTOGRAM_H_
