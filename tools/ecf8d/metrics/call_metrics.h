// The calls that were served, by method and status.
#ifndef ECF8_TOOLS_ECF8D_METRICS_CALL_METRICS_H_
#define ECF8_TOOLS_ECF8D_METRICS_CALL_METRICS_H_

#include "prometheus/counter.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "rpc/call_observer.h"

namespace ecf8 {

// Thread-safe.
class CallMetrics final : public CallObserver {
 public:
  // `registry` outlives it.
  explicit CallMetrics(prometheus::Registry& registry);

  void OnCallEnd(std::string_view method, absl::StatusCode code,
                 std::chrono::steady_clock::duration took) override;

 private:
  prometheus::Family<prometheus::Counter>& handled_;
  prometheus::Family<prometheus::Histogram>& seconds_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_METRICS_CALL_METRICS_H_
