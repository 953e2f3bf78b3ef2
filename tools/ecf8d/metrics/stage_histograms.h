// How long units take on their way: waiting for memory, read, checked, copied, decoded, ready.
#ifndef ECF8_TOOLS_ECF8D_METRICS_STAGE_HISTOGRAMS_H_
#define ECF8_TOOLS_ECF8D_METRICS_STAGE_HISTOGRAMS_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

#include "loader/engine/engine_observer.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace ecf8 {

// Seconds from a tenth of a millisecond to ten.
const prometheus::Histogram::BucketBoundaries& SecondsBuckets();

// Observes one engine; what it keeps is of what is in flight.
class StageHistograms final : public EngineObserver {
 public:
  // `registry` outlives it.
  explicit StageHistograms(prometheus::Registry& registry);

  void OnEvent(const EngineEvent& event) override;

 private:
  using Clock = std::chrono::steady_clock;
  // The unit in one form.
  using Way = std::pair<uint64_t, UnitForm>;

  prometheus::Histogram& read_;
  prometheus::Histogram& verify_;
  prometheus::Histogram& copy_;
  prometheus::Histogram& decode_;
  prometheus::Histogram& memory_wait_;
  prometheus::Histogram& ready_stored_;
  prometheus::Histogram& ready_decoded_;
  std::map<Way, Clock::time_point> asked_at_;              // of those on their way
  std::unordered_map<uint64_t, Clock::time_point> reads_;  // by operation
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_METRICS_STAGE_HISTOGRAMS_H_
