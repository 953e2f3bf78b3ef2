// All that the daemon tells about itself, over HTTP at /metrics, for a Prometheus to scrape.
#ifndef ECF8_TOOLS_ECF8D_METRICS_METRICS_H_
#define ECF8_TOOLS_ECF8D_METRICS_METRICS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "prometheus/exposer.h"
#include "prometheus/registry.h"
#include "rpc/server.h"
#include "tools/ecf8d/metrics/call_metrics.h"
#include "tools/ecf8d/metrics/server_metrics.h"
#include "tools/ecf8d/metrics/stage_histograms.h"

namespace ecf8 {

// Its observers are given to the server before it starts; Serve comes after.
class Metrics {
 public:
  Metrics();

  EngineObserver& engine_observer() { return stages_; }
  CallObserver& call_observer() { return calls_; }

  // Listens on `address`, HOST:PORT, where port 0 is the system's choice, until this is destroyed
  // or Stop. `server` outlives that. UNAVAILABLE where it cannot listen.
  absl::Status Serve(const std::string& address, const Server& server);
  void Stop();
  int port() const { return exposer_->GetListeningPorts().front(); }

 private:
  const std::shared_ptr<prometheus::Registry> registry_;
  StageHistograms stages_;
  CallMetrics calls_;
  // The exposer holds them weakly.
  std::shared_ptr<prometheus::Collectable> process_;
  std::shared_ptr<prometheus::Collectable> server_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_METRICS_METRICS_H_
