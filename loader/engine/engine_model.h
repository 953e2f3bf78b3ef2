// A model in an engine, for as long as somebody may ask for its units.
//
//   ECF8_ASSIGN_OR_RETURN(std::shared_ptr<EngineModel> model, engine->AddModel(opened));
//   ... engine->Acquire({.model = model->number(), ...}) ...
//   model->Retire();   // it is served no more: what nobody uses of it leaves the memory
//   model.reset();     // and when the last who uses it has done so, the engine forgets it
#ifndef ECF8_LOADER_ENGINE_ENGINE_MODEL_H_
#define ECF8_LOADER_ENGINE_ENGINE_MODEL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "loader/model/compressed_model.h"

namespace ecf8 {

class Engine;

// Thread-safe. Does not outlive the engine.
class EngineModel {
 public:
  // Use Engine::AddModel.
  EngineModel(Engine& engine, uint32_t number, std::shared_ptr<const CompressedModel> model)
      : engine_(engine), number_(number), model_(std::move(model)) {}
  EngineModel(const EngineModel&) = delete;
  EngineModel& operator=(const EngineModel&) = delete;
  // Where it was retired the engine forgets the model, when the last hold on a unit of it has
  // ended. Else it keeps the model to its own end.
  ~EngineModel();

  // Which no other model of this engine has had or will have.
  uint32_t number() const { return number_; }
  const std::shared_ptr<const CompressedModel>& model() const { return model_; }

  // Nothing of it stays in memory from here on, in any tier, but what is held, or is asked for and
  // then held: those who have this object go on. Never blocks.
  void Retire();
  bool retired() const { return retired_.load(); }

 private:
  Engine& engine_;
  const uint32_t number_;
  const std::shared_ptr<const CompressedModel> model_;
  std::atomic<bool> retired_ = false;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_ENGINE_MODEL_H_
