// The seam for what decodes. The host device decodes on threads of its own; a device with memory of
// its own copies and decodes there.
//
//   DeviceJob job = ...;                      // some parts of one unit, all of which have arrived
//   if (!device.TrySubmit(std::move(job)))    // again after a completion
//
// A job is verified, (copied) and decoded in this order, part by part; its completion says how far
// it came and how long each stage took.
#ifndef ECF8_LOADER_ENGINE_DEVICE_H_
#define ECF8_LOADER_ENGINE_DEVICE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "loader/engine/unit_parts.h"
#include "loader/memory/arena.h"
#include "loader/model/manifest.h"
#include "loader/model/unit_tables.h"

namespace ecf8 {

// What of a unit to do. Everything pointed to stays as it is until the job's completion.
struct DeviceJob {
  uint64_t tag = 0;
  const Unit* unit = nullptr;
  absl::Span<const UnitPart> parts;  // adjacent in stored order; never empty
  const Extents* stored = nullptr;   // the whole stored unit
  bool verify = true;                // the parts' checksums
  // Decode into the slot that starts here; null: verify only. Of the tables part, decoding is to
  // parse it: such a job holds that part alone.
  uint8_t* slot = nullptr;
  const UnitTables* tables = nullptr;  // to decode with; null where the unit has none
};

// Spent on checksums, and on decoding.
struct JobTimes {
  int64_t verify_ns = 0;
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
  // fault.
  absl::Status status;
  uint32_t bad_part = 0;               // of the job, where DATA_LOSS
  std::unique_ptr<UnitTables> tables;  // of a tables part that was decoded
  JobTimes times;
  // The same part by part, in order of time; parts that follow each other in one stage are one
  // span.
  std::vector<JobSpan> spans;
  uint32_t lane = 0;  // which of the device's threads did it, from 0
};

// Called on the device's threads, by several at once. Short; must not call the device.
class DeviceSink {
 public:
  virtual ~DeviceSink() = default;
  virtual void OnJobDone(DeviceJobDone done) = 0;
};

// Thread-safe.
class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // Waits for the jobs at hand; after it the sink is not called again.
  virtual ~Device() = default;

  // False where it has queue_depth() jobs: the job was not taken. Never blocks.
  [[nodiscard]] virtual bool TrySubmit(DeviceJob job) = 0;
  virtual size_t queue_depth() const = 0;

  // The slots: memory that clients read decoded units from. One run, kSlotPageBytes-aligned.
  virtual absl::Span<uint8_t> slot_memory() const = 0;

  virtual std::string name() const = 0;  // "host"
};

// Does `job` on the calling thread: what every device that decodes on the CPU does. `scratch` is
// the caller's to reuse; parts that lie in two runs of frames are put together in it.
DeviceJobDone RunOnCpu(const DeviceJob& job, std::vector<uint8_t>* scratch);

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_DEVICE_H_
