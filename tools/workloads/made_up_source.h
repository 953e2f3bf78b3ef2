// A plain model that is nowhere: its bytes are made up while they are read. So a compressed model
// of any size can be written without a plain one on the disk.
#ifndef ECF8_TOOLS_WORKLOADS_MADE_UP_SOURCE_H_
#define ECF8_TOOLS_WORKLOADS_MADE_UP_SOURCE_H_

#include <cstdint>
#include <vector>

#include "loader/checkpoint/source_model.h"

namespace ecf8 {

// One shard of `tensors`, which lie one after the other. E4M3 matrices are put together from 16 MiB
// of FillSyntheticE4M3's weights, in pieces of 128 rows and 512 columns whose order depends on
// `seed` and the tensor's name: so their statistics are those of synthetic_weights.h, it takes
// little more than a copy, and no two tensors are alike. Other dtypes are a repeated few KB of
// small numbers. The same bytes for the same arguments, wherever a read begins.
SourceModel MakeUpSource(std::vector<SafetensorsTensor> tensors, uint64_t seed);

}  // namespace ecf8

#endif  // ECF8_TOOLS_WORKLOADS_MADE_UP_SOURCE_H_
