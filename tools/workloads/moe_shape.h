// The tensors of a mixture-of-experts model as DeepSeek-V3 names them, in any size.
#ifndef ECF8_TOOLS_WORKLOADS_MOE_SHAPE_H_
#define ECF8_TOOLS_WORKLOADS_MOE_SHAPE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "loader/checkpoint/safetensors.h"

namespace ecf8 {

// By default every layer has a router and experts, and all is 31.5 GB of FP8 in experts of 18.9 MB,
// and 1.3 GB beside them.
struct MoeShape {
  uint32_t layers = 26;
  uint32_t experts = 64;         // of a layer that has them
  uint32_t hidden = 4096;        // a multiple of 128
  uint32_t expert_width = 1536;  // of the routed experts and of the shared one
  uint32_t vocabulary = 8192;
  uint32_t dense_layers = 0;  // of the layers, the first ones: they have no experts
  uint32_t dense_width = 0;   // of theirs
  // Of latent attention. 0: a head for each 128 of the hidden size, ranks a quarter and an eighth
  // of it.
  uint32_t heads = 0;
  uint32_t query_rank = 0;
  uint32_t key_rank = 0;
  uint32_t next_token_layers = 0;  // for multi-token prediction, after the others, with experts
};

// As it was published: 688,574,839,360 bytes.
MoeShape DeepSeekV3Shape();

// In the order of the model, at offsets one after the other. Projections are E4M3 with F32 scales
// for blocks of 128x128, embedding, head and router BF16.
std::vector<SafetensorsTensor> ListMoeTensors(const MoeShape& shape);

// The config.json of such a model, a token of which uses so many experts of a layer.
std::string MoeConfig(const MoeShape& shape, uint32_t experts_per_token);

}  // namespace ecf8

#endif  // ECF8_TOOLS_WORKLOADS_MOE_SHAPE_H_
