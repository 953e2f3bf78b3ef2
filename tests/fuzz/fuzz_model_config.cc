// Any bytes as a config.json: refused, or a model of which every figure of a plan is a number.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "loader/planning/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto shape = ecf8::ShapeOfConfig({reinterpret_cast<const char*>(data), size});
  if (!shape.ok()) return 0;
  if (shape->decoded_bytes() > uint64_t{1} << 50 || shape->experts_per_token > shape->experts) {
    abort();
  }
  if (shape->experts > 1024) return 0;  // the cache simulator would take long
  const ecf8::PlanOptions options{.batches = {1, 64}, .device_hit_rate = 0.5};
  for (const ecf8::PlanRow& row :
       ecf8::Planner(*shape).MakePlan(ecf8::KnownHardware().front(), options).rows) {
    if (row.fits && !(std::isfinite(row.step_seconds) && row.step_seconds >= 0)) abort();
  }
  return 0;
}
