// Any bytes as a trace of accesses: refused, or a trace that the simulator may replay. The checksum
// of the tables is made right first, so that the parser behind it is reached.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "loader/cache/schedule_policy.h"
#include "loader/cache/simulator/simulate.h"
#include "loader/cache/trace.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kHeaderBytes = 32;
  std::vector<uint8_t> bytes(data, data + size);
  if (bytes.size() >= kHeaderBytes) {
    const uint64_t tables = ecf8::LoadLe64(bytes.data() + 16);
    if (tables <= bytes.size() - kHeaderBytes) {
      const auto hashed = absl::MakeConstSpan(bytes).subspan(kHeaderBytes, tables);
      ecf8::StoreLe64(bytes.data() + 24, ecf8::Xxh3(hashed));
    }
  }
  const auto trace = ecf8::ParseTrace(bytes);
  if (!trace.ok()) return 0;
  uint64_t budget_bytes = 0;
  for (const ecf8::TraceModel& model : trace->models) {
    for (const ecf8::TraceUnit& unit : model.units) budget_bytes += unit.stored_size_bytes / 3;
  }
  ecf8::SchedulePolicy policy(budget_bytes);
  const ecf8::SimulationResult result = ecf8::Simulate(*trace, budget_bytes, policy);
  if (result.demands > trace->records.size() || result.hits > result.demands) abort();
  return 0;
}
