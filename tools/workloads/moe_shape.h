// The tensors of a mixture-of-experts model as DeepSeek-V3 names them, in any size.
#ifndef ECF8_TOOLS_WORKLOADS_MOE_SHAPE_H_
#define ECF8_TOOLS_WORKLOADS_MOE_SHAPE_H_

#include <cstdint>
#include <vector>

#include "loader/checkpoint/safetensors.h"

namespace ecf8 {

// Every layer has a router and experts. By default 31.5 GB of FP8 in experts of 18.9 MB, and 1.3 GB
// beside them.
struct MoeShape {
  uint32_t layers = 26;
  uint32_t experts = 64;         // a layer
  uint32_t hidden = 4096;        // a multiple of 128: attention has hidden / 128 heads
  uint32_t expert_width = 1536;  // of the routed experts and of the shared one
  uint32_t vocabulary = 8192;
};

// In the order of the model, at offsets one after the other. Projections are E4M3 with F32 scales
// for blocks of 128x128, embedding, head and router BF16.
std::vector<SafetensorsTensor> ListMoeTensors(const MoeShape& shape);

}  // namespace ecf8

#endif  // ECF8_TOOLS_WORKLOADS_MOE_SHAPE_H_
