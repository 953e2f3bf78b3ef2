// Pins that last as long as somebody lives: a preload that is to pin, a resident session.
#ifndef ECF8_LOADER_ENGINE_PIN_HOLD_H_
#define ECF8_LOADER_ENGINE_PIN_HOLD_H_

#include <memory>
#include <utility>

#include "loader/engine/residency.h"

namespace ecf8 {

class Engine;

// Made by Engine::HoldPins; its pins end with it. Movable; the engine outlives it.
class PinHold {
 public:
  PinHold() = default;
  PinHold(Engine* engine, std::shared_ptr<const UnitSet> set)
      : engine_(engine), set_(std::move(set)) {}
  PinHold(PinHold&& other) noexcept = default;
  PinHold& operator=(PinHold&& other) noexcept {
    Release();
    engine_ = other.engine_;
    set_ = std::move(other.set_);
    return *this;
  }
  ~PinHold() { Release(); }

  explicit operator bool() const { return set_ != nullptr; }

  // Its units stay pinned also when it has ended, until somebody says otherwise (EngineCore::Unpin,
  // kKept).
  void Keep();
  // Ends it.
  void Release();

 private:
  Engine* engine_ = nullptr;
  std::shared_ptr<const UnitSet> set_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_PIN_HOLD_H_
