// EngineCore: slots that are an owner's own (slot_runs.h).
//
// The slots that all share are the first bytes of the device's; what runs have is missing at the
// end. A run waits until nothing lies where its memory is to come from: what is idle there goes at
// once, fetches lose their holds, and what is on its way comes and goes first. It waits for no
// client: those who have runs hold no slots beside them for longer than a copy takes.
#include <algorithm>
#include <utility>

#include "loader/engine/engine_core.h"
#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

// As long as a session's set waits for memory.
constexpr uint64_t kPatienceMs = 10'000;

}  // namespace

void EngineCore::OpenRun(RunOrder order) {
  const uint64_t room_bytes = tiers_.RoomBytes(Tier::kSlots) + missing_slot_bytes_;
  SlotGrants& grants = *parts_.tiers.grants;
  const uint64_t granted_bytes = grants.Take(order.least_bytes, order.most_bytes, room_bytes);
  if (granted_bytes == 0) {
    const uint64_t free_bytes = grants.free_bytes();
    order.on_room(RunRoom{.left_bytes = free_bytes - std::min(free_bytes, room_bytes)});
    return;
  }
  run_bytes_ += granted_bytes;
  LimitSlots();
  waiting_runs_.push_back({granted_bytes, now_ms_ + kPatienceMs, std::move(order.on_room)});
}

void EngineCore::CloseRun(uint64_t run_bytes, uint64_t missing_bytes) {
  run_bytes_ -= run_bytes;
  parts_.tiers.grants->Return(run_bytes);
  SetMissingSlots(missing_bytes);
}

void EngineCore::SetMissingSlots(uint64_t missing_bytes) {
  missing_slot_bytes_ = missing_bytes;
  LimitSlots();
  retry_ = true;
}

void EngineCore::RunMade(uint64_t missing_bytes) {
  making_run_ = false;
  SetMissingSlots(missing_bytes);
}

void EngineCore::LimitSlots() {
  const uint64_t capacity_bytes = tiers_.CapacityOf(Tier::kSlots);
  const uint64_t limit_bytes =
      capacity_bytes - std::min(capacity_bytes, run_bytes_ + missing_slot_bytes_);
  if (making_run_ && limit_bytes > slot_limit_bytes_) return;
  slot_limit_bytes_ = limit_bytes;
  tiers_.LimitSlots(limit_bytes);
}

void EngineCore::AnswerRuns() {
  if (waiting_runs_.empty() || making_run_ || !tiers_.ClearSlotEnd()) return;
  const WaitingRun run = std::move(waiting_runs_.front());
  waiting_runs_.erase(waiting_runs_.begin());
  making_run_ = true;
  run.on_room(RunRoom{.granted_bytes = run.size_bytes, .kept_bytes = slot_limit_bytes_});
}

void EngineCore::ExpireRuns() {
  std::vector<WaitingRun> expired;
  std::erase_if(waiting_runs_, [&](WaitingRun& run) {
    if (run.until_ms > now_ms_) return false;
    expired.push_back(std::move(run));
    return true;
  });
  for (const WaitingRun& run : expired) {
    CloseRun(run.size_bytes, missing_slot_bytes_);
    run.on_room(WithErrorInfo(
        absl::ResourceExhaustedError("the slots' memory was in use for too long: try again"),
        {.reason = ErrorReason::kOverloaded}));
  }
}

}  // namespace ecf8
