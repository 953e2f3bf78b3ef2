#include "tools/ecf8/offload_client.h"

#include <algorithm>
#include <deque>
#include <thread>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "loader/memory/slot_space.h"
#include "rpc/unit_check.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTimeout(10);

}  // namespace

absl::StatusOr<std::unique_ptr<OffloadClient>> OffloadClient::Open(const Options& options) {
  std::unique_ptr<OffloadClient> self(new OffloadClient);
  self->cancel_ = options.cancel;
  self->resident_ = options.resident;
  self->depth_ = options.depth;
  ECF8_ASSIGN_OR_RETURN(self->client_, WeightClient::Connect(options.address, kTimeout));
  ECF8_RETURN_IF_ERROR(
      self->client_
          ->DescribeModel(options.model, /*with_chunks=*/false,
                          [&](const v1::Unit& unit) {
                            const bool wanted =
                                !options.layers_only || unit.id().starts_with("layers.");
                            if (!wanted) return absl::OkStatus();
                            self->walk_.push_back(unit.index());
                            const uint64_t size_bytes = UnitSizeBytes(unit, options.form);
                            self->walk_bytes_ += size_bytes;
                            self->largest_slot_bytes_ = std::max(self->largest_slot_bytes_,
                                                                 SlotSpace::SlotBytes(size_bytes));
                            return absl::OkStatus();
                          })
          .status());
  if (self->walk_.empty()) return absl::NotFoundError("the model has no units to walk over");
  if (!options.against.empty()) {
    ECF8_ASSIGN_OR_RETURN(self->against_, SourceComparison::Open(options.against));
  }
  ECF8_ASSIGN_OR_RETURN(self->session_, SessionClient::Open(*self->client_, options.address,
                                                            {.model = options.model,
                                                             .walk = self->walk_,
                                                             .cyclic = true,
                                                             .depth = options.depth,
                                                             .slot_bytes = options.slot_bytes,
                                                             .resident = options.resident,
                                                             .form = options.form}));
  return self;
}

absl::StatusOr<WalkTimes> OffloadClient::Walk(int passes, std::chrono::duration<double> compute,
                                              bool check) {
  WalkTimes times;
  const Clock::time_point begin = Clock::now();
  const size_t steps = static_cast<size_t>(passes) * walk_.size();
  // Two layers are always asked for or leased: the next one comes while this one is used.
  std::deque<uint64_t> asked;
  for (size_t step = 0; step < std::min<size_t>(2, steps); ++step) {
    ECF8_ASSIGN_OR_RETURN(const uint64_t set_id, session_->StartAcquire({UnitAt(step)}));
    asked.push_back(set_id);
  }
  for (size_t step = 0; step < steps; ++step) {
    if (cancel_ != nullptr && cancel_->load()) return absl::CancelledError("interrupted");
    const Clock::time_point waits = Clock::now();
    ECF8_ASSIGN_OR_RETURN(LeasedSet set, session_->Wait(asked.front()));
    asked.pop_front();
    times.stalled_seconds += SecondsSince(waits);
    const Clock::time_point used = Clock::now();
    if (check) ECF8_RETURN_IF_ERROR(Compare(set, UnitAt(step)));
    if (compute.count() > 0) {
      std::this_thread::sleep_until(used + std::chrono::duration_cast<Clock::duration>(compute));
    }
    if (step + 2 < steps) {
      ECF8_ASSIGN_OR_RETURN(const uint64_t set_id, session_->Exchange(set, {UnitAt(step + 2)}));
      asked.push_back(set_id);
    } else {
      ECF8_RETURN_IF_ERROR(set.Release());
    }
  }
  times.seconds = SecondsSince(begin);
  return times;
}

absl::Status OffloadClient::Compare(const LeasedSet& set, uint32_t unit) {
  const v1::Unit& described = session_->units()[unit];
  for (int i = 0; against_ && i < described.tensors_size(); ++i) {
    ECF8_RETURN_IF_ERROR(against_->Compare(
        described.tensors(i).name(), described.tensors(i).tensor_offset_bytes(), set.tensor(0, i)));
  }
  return absl::OkStatus();
}

absl::StatusOr<OffloadClient::Latencies> OffloadClient::MeasureLatencies(size_t units, int rounds) {
  std::vector<uint32_t> set_units;
  uint64_t bytes = depth_ * largest_slot_bytes_;  // what is ready ahead must not push the set out
  for (size_t i = 0; i < walk_.size() && set_units.size() < units; ++i) {
    const uint64_t slot_bytes =
        SlotSpace::SlotBytes(UnitSizeBytes(session_->units()[walk_[i]], session_->form()));
    if (!resident_ && bytes + slot_bytes > session_->slot_bytes()) continue;
    bytes += slot_bytes;
    set_units.push_back(walk_[i]);
  }
  Latencies latencies{.units = set_units.size(), .acquire_us = {}, .ping_us = {}};
  if (set_units.empty()) return absl::ResourceExhaustedError("no unit fits into the slots");
  ECF8_RETURN_IF_ERROR(session_->Acquire(set_units).status());
  for (int round = 0; round < rounds; ++round) {
    const Clock::time_point asked = Clock::now();
    ECF8_ASSIGN_OR_RETURN(LeasedSet set, session_->Acquire(set_units));
    latencies.acquire_us.push_back(1e6 * SecondsSince(asked));
    ECF8_RETURN_IF_ERROR(set.Release());
    ECF8_RETURN_IF_ERROR(session_->Ping());  // so that the next one meets a daemon at rest
    const Clock::time_point pinged = Clock::now();
    ECF8_RETURN_IF_ERROR(session_->Ping());
    latencies.ping_us.push_back(1e6 * SecondsSince(pinged));
  }
  return latencies;
}

}  // namespace ecf8
