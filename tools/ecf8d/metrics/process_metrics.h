// This process, under the names that Prometheus' own client libraries give.
#ifndef ECF8_TOOLS_ECF8D_METRICS_PROCESS_METRICS_H_
#define ECF8_TOOLS_ECF8D_METRICS_PROCESS_METRICS_H_

#include "prometheus/collectable.h"

namespace ecf8 {

// Thread-safe. What /proc does not tell is left out.
class ProcessMetrics final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_METRICS_PROCESS_METRICS_H_
