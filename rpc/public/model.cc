#include "ecf8/model.h"

namespace ecf8 {

const TensorInfo* UnitInfo::FindTensor(std::string_view name) const {
  for (const TensorInfo& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

const UnitInfo* ModelDescription::FindUnit(std::string_view id) const {
  for (const UnitInfo& unit : units) {
    if (unit.id == id) return &unit;
  }
  return nullptr;
}

}  // namespace ecf8
