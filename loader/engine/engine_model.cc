#include "loader/engine/engine_model.h"

#include "loader/engine/engine.h"

namespace ecf8 {

EngineModel::~EngineModel() {
  if (retired()) engine_.ForgetModel(number_);
}

void EngineModel::Retire() {
  if (!retired_.exchange(true)) engine_.RetireModel(number_);
}

}  // namespace ecf8
