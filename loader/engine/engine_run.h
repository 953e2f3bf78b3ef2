// A run of slots that is somebody's own, through the engine (slot_runs.h).
#ifndef ECF8_LOADER_ENGINE_ENGINE_RUN_H_
#define ECF8_LOADER_ENGINE_ENGINE_RUN_H_

#include <cstdint>
#include <utility>

#include "absl/types/span.h"
#include "loader/base/descriptor.h"
#include "loader/engine/slot_runs.h"

namespace ecf8 {

class Engine;

// Given back when it goes: nothing is copied into it any more. Thread-compatible.
class EngineRun {
 public:
  EngineRun(Engine& engine, SlotRun run) : engine_(engine), run_(std::move(run)) {}
  EngineRun(const EngineRun&) = delete;
  EngineRun& operator=(const EngineRun&) = delete;
  ~EngineRun();

  absl::Span<uint8_t> memory_dev() const { return run_.memory_dev; }
  // For the owner; closed as soon as he has it.
  Descriptor TakeDescriptor() { return std::move(run_.fd); }

 private:
  Engine& engine_;
  SlotRun run_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_ENGINE_RUN_H_
