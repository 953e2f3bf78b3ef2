#include "tools/ecf8d/metrics/call_metrics.h"

#include <string>

#include "tools/ecf8d/metrics/stage_histograms.h"

namespace ecf8 {

CallMetrics::CallMetrics(prometheus::Registry& registry)
    : handled_(prometheus::BuildCounter()
                   .Name("ecf8_rpc_handled_total")
                   .Help("Calls that have ended, by their status.")
                   .Register(registry)),
      seconds_(prometheus::BuildHistogram()
                   .Name("ecf8_rpc_seconds")
                   .Help("From the start of a call to its end.")
                   .Register(registry)) {}

// gRPC knows the methods, and there are few codes: a client cannot make up labels.
void CallMetrics::OnCallEnd(std::string_view method, absl::StatusCode code,
                            std::chrono::steady_clock::duration took) {
  const size_t slash = method.rfind('/');
  const std::string name(method.substr(slash == std::string_view::npos ? 0 : slash + 1));
  handled_.Add({{"method", name}, {"code", absl::StatusCodeToString(code)}}).Increment();
  seconds_.Add({{"method", name}}, SecondsBuckets())
      .Observe(std::chrono::duration<double>(took).count());
}

}  // namespace ecf8
