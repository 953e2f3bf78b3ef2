// What the engine does, told as it happens to whoever wants to know: recordings of accesses, time
// lines. It decides nothing.
#ifndef ECF8_LOADER_ENGINE_ENGINE_OBSERVER_H_
#define ECF8_LOADER_ENGINE_ENGINE_OBSERVER_H_

#include <cstddef>
#include <cstdint>

#include "loader/engine/device.h"
#include "loader/engine/held_unit.h"
#include "loader/engine/unit_state.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

struct EngineEvent {
  enum class Kind : uint8_t {
    kAccess,     // a request, or one that was made more urgent: what the policies are told, too
    kWaiting,    // the form was not there, and now waits for memory
    kStarted,    // it has its memory and is on its way
    kReadBegun,  // one read of it was handed to the reader
    kReadDone,
    kJobDone,  // some parts were verified, copied, decoded
    kReady,    // all of it is there
    kGivenUp,  // it failed, or nobody wants it any more; also while it waited
    kEvicted,
  };

  Kind kind = Kind::kAccess;
  uint64_t key = 0;  // of the unit: CacheKey(model, unit index)
  const CompressedModel* model = nullptr;
  const Unit* unit = nullptr;
  UnitForm form = UnitForm::kStored;
  Priority priority = Priority::kDemand;  // where the kind is none of the last three
  // kReadBegun, kReadDone: tells apart those in flight at one time.
  uint64_t operation = 0;
  uint64_t size_bytes = 0;  // of the form; kRead...: of the read; kJobDone: stored bytes
  // So many others were before it: kWaiting: waiting for memory, kReadBegun: reads in flight.
  size_t queue = 0;
  const DeviceJobDone* job = nullptr;  // kJobDone
  Tier tier = Tier::kHost;             // kEvicted: whose memory it gives up
};

class EngineObserver {
 public:
  virtual ~EngineObserver() = default;

  // Called by the engine's loop, in the order of events. Short; must not call the engine. What the
  // event points to is valid during the call.
  virtual void OnEvent(const EngineEvent& event) = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_ENGINE_OBSERVER_H_
