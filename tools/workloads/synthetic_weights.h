// FP8 weights made up, for benchmarks on machines that have no model.
#ifndef ECF8_TOOLS_WORKLOADS_SYNTHETIC_WEIGHTS_H_
#define ECF8_TOOLS_WORKLOADS_SYNTHETIC_WEIGHTS_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace ecf8 {

// Fills `out`, rows of `columns` weights, with E4M3 by DeepSeek's recipe: normal numbers whose
// spread differs by row, each block of 128x128 scaled so that its largest is 448. They take 6.6 to
// 6.7 bits, as trained weights do, but have nothing else of them. The same for the same arguments.
void FillSyntheticE4M3(uint64_t seed, size_t columns, absl::Span<uint8_t> out);

}  // namespace ecf8

#endif  // ECF8_TOOLS_WORKLOADS_SYNTHETIC_WEIGHTS_H_
