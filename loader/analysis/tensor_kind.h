// What kind of tensor a name belongs to: q_proj of layer 3 and of layer 17 are of one kind.
#ifndef ECF8_LOADER_ANALYSIS_TENSOR_KIND_H_
#define ECF8_LOADER_ANALYSIS_TENSOR_KIND_H_

#include <string>
#include <string_view>

#include "loader/checkpoint/unit_names.h"

namespace ecf8 {

// The name without a final ".weight", with "*" for every component that is a number; of the main
// stack, only what follows the layer's number: "model.layers.3.mlp.experts.17.up_proj.weight" gives
// "mlp.experts.*.up_proj". `key` is AssignUnits' for the tensor.
std::string TensorKind(std::string_view name, const UnitKey& key);

}  // namespace ecf8

#endif  // ECF8_LOADER_ANALYSIS_TENSOR_KIND_H_
