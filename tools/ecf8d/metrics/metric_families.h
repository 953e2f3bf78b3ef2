// Metric families made when they are asked for, of what somebody else counts.
#ifndef ECF8_TOOLS_ECF8D_METRICS_METRIC_FAMILIES_H_
#define ECF8_TOOLS_ECF8D_METRICS_METRIC_FAMILIES_H_

#include <string>
#include <vector>

#include "prometheus/metric_family.h"

namespace ecf8 {

struct MetricSample {
  std::vector<prometheus::ClientMetric::Label> labels;
  double value = 0;
};

// Names follow https://prometheus.io/docs/practices/naming: base units, counters in _total.
prometheus::MetricFamily GaugeFamily(const std::string& name, const std::string& help,
                                     const std::vector<MetricSample>& samples);
prometheus::MetricFamily CounterFamily(const std::string& name, const std::string& help,
                                       const std::vector<MetricSample>& samples);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_METRICS_METRIC_FAMILIES_H_
