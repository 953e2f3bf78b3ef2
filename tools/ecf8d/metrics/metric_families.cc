#include "tools/ecf8d/metrics/metric_families.h"

namespace ecf8 {
namespace {

prometheus::MetricFamily Family(const std::string& name, const std::string& help,
                                prometheus::MetricType type,
                                const std::vector<MetricSample>& samples) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  for (const MetricSample& sample : samples) {
    prometheus::ClientMetric& metric = family.metric.emplace_back();
    metric.label = sample.labels;
    (type == prometheus::MetricType::Gauge ? metric.gauge.value : metric.counter.value) =
        sample.value;
  }
  return family;
}

}  // namespace

prometheus::MetricFamily GaugeFamily(const std::string& name, const std::string& help,
                                     const std::vector<MetricSample>& samples) {
  return Family(name, help, prometheus::MetricType::Gauge, samples);
}

prometheus::MetricFamily CounterFamily(const std::string& name, const std::string& help,
                                       const std::vector<MetricSample>& samples) {
  return Family(name, help, prometheus::MetricType::Counter, samples);
}

}  // namespace ecf8
