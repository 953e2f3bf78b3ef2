// A device's job on the CPU: what every device does that is none but the CPU.
#ifndef ECF8_LOADER_ENGINE_CPU_JOB_H_
#define ECF8_LOADER_ENGINE_CPU_JOB_H_

#include <cstdint>
#include <vector>

#include "loader/engine/device.h"
#include "loader/model/unit_tables.h"

namespace ecf8 {

struct CpuTables final : DeviceTables {
  explicit CpuTables(UnitTables parsed) : tables(std::move(parsed)) {}
  const UnitTables tables;
};

// Does `job` on the calling thread, part by part, so that each is verified, copied and decoded
// while it is in the core's cache. Frames and slot are host memory here, and the tables CpuTables.
// `scratch` is the caller's to reuse; parts that lie in two runs of frames are put together in it.
DeviceJobDone RunOnCpu(const DeviceJob& job, std::vector<uint8_t>* scratch);

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_CPU_JOB_H_
