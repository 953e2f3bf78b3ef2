// The daemon as it stands: tiers, engine, reader, streams, sessions, models.
#ifndef ECF8_TOOLS_ECF8D_METRICS_SERVER_METRICS_H_
#define ECF8_TOOLS_ECF8D_METRICS_SERVER_METRICS_H_

#include <vector>

#include "prometheus/collectable.h"
#include "rpc/server.h"

namespace ecf8 {

// Thread-safe.
class ServerMetrics final : public prometheus::Collectable {
 public:
  // `server` outlives it.
  explicit ServerMetrics(const Server& server) : server_(server) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const Server& server_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_METRICS_SERVER_METRICS_H_
