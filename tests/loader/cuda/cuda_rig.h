// A CudaDevice over the fake CUDA, and units of a small model to give it.
#ifndef ECF8_TESTS_LOADER_CUDA_CUDA_RIG_H_
#define ECF8_TESTS_LOADER_CUDA_CUDA_RIG_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loader/cuda/cuda_device.h"
#include "loader/memory/frame_space.h"
#include "loader/memory/slot_space.h"
#include "tests/loader/engine/simulated_engine.h"
#include "tests/support/fake_cuda/fake_cuda.h"
#include "tests/support/job_results.h"
#include "tests/support/status_matchers.h"

namespace ecf8::testing {

// A stored unit on pages of its own, in one run.
class PagedUnit {
 public:
  PagedUnit(const ExpectedModel& expected, const std::string& id)
      : index(*expected.model->FindUnit(id)),
        unit(expected.model->unit(index)),
        parts(ListUnitParts(unit)) {
    const std::string_view stored =
        std::string_view(expected.shard).substr(unit.offset_bytes, unit.stored_size_bytes);
    memory_.resize(stored.size() + 2 * 4096);
    uint8_t* const begin =
        memory_.data() + 4096 - reinterpret_cast<uintptr_t>(memory_.data()) % 4096;
    std::copy(stored.begin(), stored.end(), begin);
    // Whole pages, so that all of it can be pinned.
    extents.emplace_back(begin, (stored.size() + 4095) / 4096 * 4096);
  }

  DeviceJob Job() const {
    return {.unit = &unit, .parts = parts, .host = &extents, .verify = true};
  }
  void Wipe() { std::fill(memory_.begin(), memory_.end(), 0x5A); }

  const uint32_t index;
  const Unit& unit;
  const std::vector<UnitPart> parts;
  Extents extents;

 private:
  std::vector<uint8_t> memory_;
};

// Frames for the unit in pieces of one frame, with a gap after each: nearly every part lies in two.
inline Extents ScatteredFrames(absl::Span<uint8_t> frames_dev, const Unit& unit) {
  Extents scattered;
  for (uint64_t i = 0; i * kDeviceFrameBytes < unit.stored_size_bytes; ++i) {
    scattered.push_back(frames_dev.subspan(2 * i * kDeviceFrameBytes, kDeviceFrameBytes));
  }
  return scattered;
}

// The unit's bytes are in the slot.
inline void ExpectDecoded(Device& device, const ExpectedModel& expected, const PagedUnit& host,
                          const uint8_t* slot_dev) {
  for (const UnitPart& part : host.parts) {
    std::string got(part.decoded_size_bytes, '\0');
    const absl::Span<uint8_t> out(reinterpret_cast<uint8_t*>(got.data()), got.size());
    ASSERT_THAT(device.ReadSlot(slot_dev + part.decoded_offset_bytes, out), IsOk());
    ASSERT_EQ(got == expected.Part(host.index, UnitForm::kDecoded, part), true)
        << host.unit.id << " at " << part.decoded_offset_bytes;
  }
}

inline DeviceJobDone RunJob(Device& device, JobResults& results, const DeviceJob& job) {
  EXPECT_TRUE(device.TrySubmit(job));
  return std::move(results.Wait(1)[0]);
}

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_LOADER_CUDA_CUDA_RIG_H_
