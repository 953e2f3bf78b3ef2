// Brings units of a model to a tier: as much at a time as keeps disk and decoder busy, at the last
// priority, and only where that pushes out nothing that clients use.
//
// What is there already is left as it is, and what is on its way for others is waited for: two
// preloads of the same units share the reads. Whoever stops one before its end leaves no trace but
// what happens to be in the tier then: no hold, no pin.
#ifndef ECF8_LOADER_SERVE_PRELOAD_H_
#define ECF8_LOADER_SERVE_PRELOAD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/engine/engine.h"
#include "loader/engine/engine_model.h"
#include "loader/engine/residency.h"
#include "loader/serve/byte_rate.h"

namespace ecf8 {

struct PreloadOrder {
  UnitSet set;
  std::shared_ptr<const EngineModel> model;  // whose number set.model is
  // Pinned from the start, so that clients' units give way, and for good when all is there.
  bool pin = false;
  uint64_t bytes_per_second = 0;  // stored ones, that it asks for; 0: as fast as it goes
};

// Bytes are decoded ones in slots, stored ones in the other tiers.
struct PreloadProgress {
  uint32_t units = 0;
  uint32_t units_done = 0;      // there, or passed by
  uint32_t units_not_kept = 0;  // passed by, or gone again: clients use the memory
  uint64_t bytes = 0;
  uint64_t bytes_done = 0;
  uint64_t bytes_not_kept = 0;
  uint64_t bytes_loaded = 0;  // that were not there at the start
  bool is_done = false;

  bool operator==(const PreloadProgress&) const = default;
};

// Thread-compatible: one thread at a time, any thread; Advance not on the engine's.
class Preload {
 public:
  static constexpr size_t kMaxUnitsAtOnce = 8;
  static constexpr uint64_t kMaxBytesAtOnce = uint64_t{256} << 20;  // decoded; one unit at least

  // `engine` outlives it. `wake` is called, on the engine's thread, whenever there is news, or even
  // without; as HeldUnit's on_progress, it must be short and keep alive what it uses.
  Preload(Engine& engine, PreloadOrder order, std::function<void()> wake);

  // Does what is possible now. Never blocks. After is_done, or an error, nothing is held. Errors:
  // RESOURCE_EXHAUSTED where the units can never be there together, before anything is read
  // (EngineCore::PlanPreload, and where they are to be pinned, Pin); NOT_FOUND where the model is
  // served no more; those of a unit that fails.
  absl::StatusOr<PreloadProgress> Advance();

  // Where it waits for its rate alone: it goes on if Advance is called from then on, on
  // std::chrono::steady_clock. 0: it is woken.
  int64_t resumes_at_ns() const { return resumes_at_ns_; }

  // Gives everything back; it is at its end.
  void Stop();

 private:
  enum class Stage : uint8_t { kPin, kPlan, kLoad, kCount, kDone };

  // Of the engine, to a question.
  struct Answer {
    Mutex mutex;
    bool is_there ABSL_GUARDED_BY(mutex) = false;
    absl::Status status ABSL_GUARDED_BY(mutex);
    PinHold pins ABSL_GUARDED_BY(mutex);
    std::vector<uint32_t> units ABSL_GUARDED_BY(mutex);
  };

  uint64_t BytesOf(uint32_t unit_index) const;
  // One step; false where it has to wait for the engine.
  absl::StatusOr<bool> Step();
  absl::StatusOr<bool> PinAll();
  // Asks for the units of the set that are not in the tier, and takes the answer: false where it is
  // not there yet.
  absl::StatusOr<bool> FindAbsent(bool plan, std::vector<uint32_t>* units);
  bool TakeAnswer(std::shared_ptr<Answer>* taken);
  absl::Status CollectReady();
  absl::Status AskForMore();
  absl::Status AskFor(uint32_t unit_index);

  Engine& engine_;
  const PreloadOrder order_;
  const std::function<void()> wake_;
  const uint64_t flow_;

  Stage stage_;
  std::shared_ptr<Answer> answer_;  // that is waited for
  PinHold pins_;
  std::vector<uint32_t> absent_;  // at the start
  size_t next_ = 0;               // of these: those before it were asked for
  std::vector<UnitLease> leases_;
  ByteRate rate_;
  int64_t resumes_at_ns_ = 0;
  PreloadProgress progress_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_PRELOAD_H_
