#include "tools/ecf8d/metrics/metrics.h"

#include <exception>

#include "absl/strings/str_cat.h"
#include "tools/ecf8d/metrics/process_metrics.h"

namespace ecf8 {
namespace {

// One scrape at a time, and some that hang, each for so long.
constexpr char kThreads[] = "4";
constexpr char kRequestTimeoutMs[] = "1000";

}  // namespace

Metrics::Metrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      stages_(*registry_),
      calls_(*registry_) {}

absl::Status Metrics::Serve(const std::string& address, const Server& server) {
  try {
    exposer_ = std::make_unique<prometheus::Exposer>(
        std::vector<std::string>{"listening_ports", address, "num_threads", kThreads,
                                 "request_timeout_ms", kRequestTimeoutMs});
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        absl::StrCat("metrics-listen ", address, ": cannot listen: ", error.what()));
  }
  process_ = std::make_shared<ProcessMetrics>();
  server_ = std::make_shared<ServerMetrics>(server);
  for (const std::shared_ptr<prometheus::Collectable>& source :
       {std::shared_ptr<prometheus::Collectable>(registry_), process_, server_}) {
    exposer_->RegisterCollectable(source);
  }
  return absl::OkStatus();
}

void Metrics::Stop() { exposer_.reset(); }

}  // namespace ecf8
