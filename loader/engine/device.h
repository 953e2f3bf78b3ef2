// The seam for what decodes: slots that hold decoded units, frames that hold compressed ones, and
// jobs that bring parts of a unit from host memory through these.
//
//   host memory --verify--+--copy--> frames --decode--> slot
//                         \                            /
//                          +---------decode-----------+     a unit that gets no frames
//
//   DeviceJob job = ...;                      // some parts of one unit, all of which are there
//   if (!device.TrySubmit(std::move(job)))    // again after a completion
//
// The memory is the device's: it gives the addresses, all of them at the start and for good; the
// engine decides what lies where, and never touches it. How things are done is the device's, too:
//
// - The host device has threads of its own that do a job from its checksums to its weights.
// - A GPU's checksums are compared by threads of the host; the copy is one of its copy engines'
//   (host memory that RegisterHostMemory has named is pinned); the parts, of one job or of several
//   that are queued, are decoded by one launch on another stream that waits for the copy's event.
//   Bytes of a job without frames go through a staging buffer that the device has besides. The
//   completion comes when the last event has passed, with the error flags that the kernel has left
//   for each tile.
//
// Jobs are independent: what one reads was complete before it was submitted (read from disk, or
// written by a job whose completion was OK), and no two write the same bytes at the same time. So
// they may be done in any order, side by side, and together.
#ifndef ECF8_LOADER_ENGINE_DEVICE_H_
#define ECF8_LOADER_ENGINE_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "loader/cache/form_costs.h"
#include "loader/engine/slot_runs.h"
#include "loader/engine/unit_parts.h"
#include "loader/memory/frame_space.h"
#include "loader/memory/slot_generations.h"
#include "loader/model/manifest.h"

namespace ecf8 {

// Of a device's frame memory: small beside the experts of small models.
inline constexpr uint64_t kDeviceFrameBytes = uint64_t{64} << 10;
inline constexpr uint64_t kDeviceMemoryAlignment = 4096;

// A unit's code tables, ready for the device to decode with: what they are is its own matter.
class DeviceTables {
 public:
  virtual ~DeviceTables() = default;
};

// What of a unit to do. Everything pointed to, and the memory of its parts in host, frames and
// slot, is the device's until the job's completion.
struct DeviceJob {
  uint64_t tag = 0;
  const Unit* unit = nullptr;
  absl::Span<const UnitPart> parts;  // adjacent in stored order; never empty
  // The whole stored unit in host memory; null: the parts are in the frames already, put there by
  // jobs that verified, copied and decoded them.
  const Extents* host = nullptr;
  bool verify = false;  // the parts' checksums, in host memory
  // The whole stored unit's place in the frames, or, with `host` and no slot_dev, in a slot; null:
  // none. With `host` the parts are copied there.
  const Extents* frames_dev = nullptr;
  // Decode into the slot that starts here; null: don't.
  uint8_t* slot_dev = nullptr;
  // To decode with. Null where the unit has none, and where the first part is the tables: to decode
  // that part is to make them ready, for those behind it in the job and for later jobs.
  const DeviceTables* tables = nullptr;
};

// Slots that other processes on this machine can map: sealed memory (sealed_memory.h). The
// descriptors are the device's.
struct SharedSlots {
  int slot_fd = -1;  // -1: they cannot be mapped
  uint64_t slot_bytes = 0;
  int generation_fd = -1;
  uint64_t generation_bytes = 0;
  absl::Span<SlotGeneration> generations{};  // by page of slots

  bool can_be_mapped() const { return slot_fd >= 0; }
};

// What each stage took, waiting not counted.
struct JobTimes {
  int64_t verify_ns = 0;
  int64_t copy_ns = 0;
  int64_t decode_ns = 0;
};

enum class JobStage : uint8_t { kVerify, kCopy, kDecode };

// When a stage ran, on std::chrono::steady_clock.
struct JobSpan {
  JobStage stage = JobStage::kVerify;
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
};

struct DeviceJobDone {
  uint64_t tag = 0;
  // OK: all of it is done. DATA_LOSS where bytes are not what their checksum says, or cannot be
  // decoded: the message says what is wrong with the part, not where it is. Else the device's own
  // fault, named with the call that met it; a device that is lost says UNAVAILABLE to this job and
  // all others. After an error, frames and slot hold anything where the job's parts go.
  absl::Status status;
  uint32_t bad_part = 0;                 // of the job, where DATA_LOSS
  std::unique_ptr<DeviceTables> tables;  // of a tables part that was decoded
  JobTimes times;
  // The same part by part, in order of time; parts that follow each other in one stage are one
  // span.
  std::vector<JobSpan> spans;
  uint32_t lane = 0;  // which of the device's threads did it, from 0
};

// Called on the device's threads, by several at once. Short; must not call the device. A job's
// place in the queue is free before the call.
class DeviceSink {
 public:
  virtual ~DeviceSink() = default;
  virtual void OnJobDone(DeviceJobDone done) = 0;
};

// What the device is, and wants; does not change.
struct DeviceInfo {
  std::string name;        // "host", "cuda:0"
  size_t queue_depth = 0;  // jobs in flight
  // Stored bytes to put into one job, where so many parts are there; one part at least. The first
  // where the job needs host memory: enough that handing it over costs nothing beside it, little
  // enough to overlap with the arrival of the next. The second where it reads frames alone; a
  // device that decodes a unit in one launch wants all of it. Twice as much where half of the queue
  // is full.
  uint64_t host_job_bytes = 0;
  uint64_t frames_job_bytes = 0;
  uint64_t host_scratch_bytes = 0;  // of host memory, taken from the host budget
  // What the policies are told: only the ratios count. Of the reading, the device knows nothing.
  FormCosts costs{};
};

// Thread-safe. Several GPUs are one device, whose runs of addresses lie on all of them.
class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // Waits for the jobs at hand; after it the sink is not called again. No DeviceTables are left.
  virtual ~Device() = default;

  // False where it has queue_depth jobs: the job was not taken. Never blocks.
  [[nodiscard]] virtual bool TrySubmit(DeviceJob job) = 0;

  // A hint: jobs will bring bytes from `memory`, which stays mapped as long as the device. Blocks;
  // jobs go on meanwhile, also those that read it.
  virtual void RegisterHostMemory(absl::Span<uint8_t> memory) = 0;

  // The slots: memory that clients read decoded units from, one run that starts on
  // kDeviceMemoryAlignment. Bytes of a completed job are there for everyone, whatever streams they
  // use.
  virtual absl::Span<uint8_t> slot_memory_dev() const = 0;

  // The same for those who map it; a device that cannot be mapped has none.
  virtual SharedSlots shared_slots() const { return {}; }

  // Slots for one owner alone, which he maps, where shared_slots() cannot be; null where there are
  // none, either. As long as the device.
  virtual SlotRuns* slot_runs() { return nullptr; }

  // The frames: memory that compressed units are kept in, aligned likewise; empty where none was
  // asked for. What staging takes is not in it.
  virtual absl::Span<uint8_t> frame_memory_dev() const = 0;

  // Copies decoded bytes from a slot to the host. Blocks. Errors as a job's.
  virtual absl::Status ReadSlot(const uint8_t* from_dev, absl::Span<uint8_t> out) = 0;

  // Waits until its memory takes bytes at full speed, where that needs time after the start. Jobs
  // may be submitted before.
  virtual void WaitUntilTouched() = 0;

  virtual const DeviceInfo& info() const = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_DEVICE_H_
