// Engine: runs of slots. Their memory comes and goes on a thread that may wait for the device, the
// copies to them on others.
#include "loader/engine/engine_run.h"

#include <cassert>
#include <memory>
#include <utility>

#include "loader/engine/engine.h"

namespace ecf8 {

EngineRun::~EngineRun() { engine_.CloseRun(run_.memory_dev); }

absl::Status Engine::OpenRun(uint64_t least_bytes, uint64_t most_bytes, OnRun on_run) {
  const auto answer = std::make_shared<OnRun>(std::move(on_run));
  const auto on_room = [this, answer](const absl::StatusOr<RunRoom>& room) {
    if (!room.ok()) return (*answer)(room.status(), RunRoom());
    if (room->granted_bytes == 0) return (*answer)(std::unique_ptr<EngineRun>(), *room);
    RunWork([this, answer, room = *room] { MakeRun(room, *answer); });
  };
  return Ask([=](EngineCore& core) {
    core.OpenRun({.least_bytes = least_bytes, .most_bytes = most_bytes, .on_room = on_room});
  });
}

void Engine::MakeRun(const RunRoom& room, const OnRun& on_run) {
  SlotRuns& runs = *device_->slot_runs();
  absl::StatusOr<SlotRun> run = runs.Open(room.granted_bytes, room.kept_bytes);
  Tell([missing_bytes = runs.missing_bytes()](EngineCore& core) { core.RunMade(missing_bytes); });
  if (run.ok()) return on_run(std::make_unique<EngineRun>(*this, *std::move(run)), room);
  EndRun(room.granted_bytes);
  on_run(run.status(), room);
}

void Engine::CloseRun(absl::Span<uint8_t> memory_dev) {
  RunWork([this, memory_dev] {
    device_->slot_runs()->Close(memory_dev);
    EndRun(memory_dev.size());
  });
}

void Engine::EndRun(uint64_t run_bytes) {
  Tell([run_bytes, missing_bytes = device_->slot_runs()->missing_bytes()](EngineCore& core) {
    core.CloseRun(run_bytes, missing_bytes);
  });
}

void Engine::RefillSlots() {
  RunWork([this] {
    device_->slot_runs()->Refill();
    Tell([missing_bytes = device_->slot_runs()->missing_bytes()](EngineCore& core) {
      core.SetMissingSlots(missing_bytes);
    });
  });
}

// Never refused: what is given back must be.
void Engine::RunWork(std::function<void()> work) {
  if (!run_worker_->TrySubmit(work)) work();
}

void Engine::CopyToRun(UnitLease lease, absl::Span<uint8_t> to_dev,
                       std::function<void(absl::Status)> on_done) {
  const auto from = std::make_shared<UnitLease>(std::move(lease));
  auto copy = [this, from, to_dev, on_done = std::move(on_done)] {
    const absl::Span<const uint8_t> unit_dev = (*from)->slot_dev();
    absl::Status status;
    if (!unit_dev.empty()) {
      status = device_->slot_runs()->Copy(unit_dev.data(), to_dev.first(unit_dev.size()));
    }
    from->Release();
    on_done(status);
  };
  // There are as many places as leases.
  [[maybe_unused]] const bool taken = copier_->TrySubmit(std::move(copy));
  assert(taken);
}

}  // namespace ecf8
