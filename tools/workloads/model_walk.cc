#include "tools/workloads/model_walk.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <numeric>
#include <utility>
#include <vector>

#include "decoder/checksum.h"
#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "loader/engine/cpu_job.h"
#include "tools/workloads/unit_news.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

// For a unit at hand, before what is held ahead of it is given back.
constexpr std::chrono::milliseconds kPatience(100);

}  // namespace

std::vector<uint32_t> AllUnits(const CompressedModel& model) {
  std::vector<uint32_t> units(model.unit_count());
  std::iota(units.begin(), units.end(), 0u);
  return units;
}

absl::StatusOr<double> WalkUnits(Engine& engine, const std::vector<uint32_t>& units, UnitForm form,
                                 uint64_t ahead_bytes, const UseUnit& use) {
  const auto news = std::make_shared<UnitNews>();
  const Clock::time_point begin = Clock::now();
  std::deque<UnitLease> leases;
  size_t next = 0;
  uint64_t asked_bytes = 0;  // beyond the unit at hand
  while (next < units.size() || !leases.empty()) {
    while (next < units.size() && (leases.empty() || asked_bytes <= ahead_bytes)) {
      ECF8_ASSIGN_OR_RETURN(
          UnitLease lease,
          engine.Acquire(
              {.unit_index = units[next], .form = form, .on_progress = UnitNews::Teller(news)}));
      if (!leases.empty()) asked_bytes += SizeIn(form, lease->unit());
      leases.push_back(std::move(lease));
      ++next;
    }
    if (!news->WaitUntil(*leases.front(), Clock::now() + kPatience)) {
      // Those ahead that are ready may hold the memory that it waits for.
      next -= leases.size() - 1;
      leases.resize(1);
      asked_bytes = 0;
    }
    ECF8_RETURN_IF_ERROR(news->WaitUntilReady(*leases.front()));
    if (use) ECF8_RETURN_IF_ERROR(use(*leases.front()));
    leases.pop_front();
    if (!leases.empty()) asked_bytes -= SizeIn(form, leases.front()->unit());
  }
  return SecondsSince(begin);
}

absl::StatusOr<CoreRates> MeasureCore(const CompressedModel& model) {
  constexpr uint64_t kReadBytes = kMaxReadBytes;
  double read_seconds = 0;
  double checksum_seconds = 0;
  double decode_seconds = 0;
  uint64_t stored_bytes = 0;
  uint64_t decoded_bytes = 0;
  std::vector<uint8_t> stored;
  std::vector<uint8_t> decoded;
  std::vector<uint8_t> scratch;
  for (uint32_t i = 0; i < model.unit_count(); ++i) {
    const Unit& unit = model.unit(i);
    const File& file = model.shard_of(i).file;
    stored.resize(std::max<uint64_t>(stored.size(), unit.stored_size_bytes));
    decoded.resize(std::max<uint64_t>(decoded.size(), unit.decoded_size_bytes));
    Clock::time_point begin = Clock::now();
    for (uint64_t offset = 0; offset < unit.stored_size_bytes; offset += kReadBytes) {
      const uint64_t size = std::min(kReadBytes, unit.stored_size_bytes - offset);
      ECF8_RETURN_IF_ERROR(file.ReadAt(unit.offset_bytes + offset, {stored.data() + offset, size}));
    }
    read_seconds += SecondsSince(begin);

    const std::vector<UnitPart> parts = ListUnitParts(unit);
    const Extents extents = {absl::MakeSpan(stored)};
    DeviceJob job{.unit = &unit, .parts = parts, .host = &extents, .verify = true};
    begin = Clock::now();
    ECF8_RETURN_IF_ERROR(RunOnCpu(job, &scratch).status);
    checksum_seconds += SecondsSince(begin);

    job.verify = false;
    job.slot_dev = decoded.data();
    begin = Clock::now();
    ECF8_RETURN_IF_ERROR(RunOnCpu(job, &scratch).status);
    decode_seconds += SecondsSince(begin);
    stored_bytes += unit.stored_size_bytes;
    decoded_bytes += unit.decoded_size_bytes;
  }
  return CoreRates{.read = static_cast<double>(stored_bytes) / read_seconds,
                   .checksum = static_cast<double>(stored_bytes) / checksum_seconds,
                   .decode = static_cast<double>(decoded_bytes) / decode_seconds};
}

}  // namespace ecf8
