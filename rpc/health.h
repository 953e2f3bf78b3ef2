// The standard health service (grpc.health.v1.Health) and server reflection.
//
// Service names: "" is served as long as the process answers (liveness); kReadiness as long as it
// takes new calls, "models/NAME" as long as it does and serves that model.
#ifndef ECF8_RPC_HEALTH_H_
#define ECF8_RPC_HEALTH_H_

#include <string>
#include <string_view>

#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/server.h"

namespace ecf8 {

inline constexpr std::string_view kReadiness = "ecf8.v1.WeightService";

// For every server that is built in this process from here on. Any number of times.
void EnableHealthAndReflection();

// Thread-safe.
class Health {
 public:
  // `server` outlives it; null: nobody asks.
  explicit Health(grpc::Server* server)
      : service_(server == nullptr ? nullptr : server->GetHealthCheckService()) {}

  void SetReady(bool is_ready) const { Set(std::string(kReadiness), is_ready); }
  void SetModel(std::string_view name, bool is_served) const {
    Set("models/" + std::string(name), is_served);
  }

 private:
  void Set(const std::string& name, bool is_serving) const {
    if (service_ != nullptr) service_->SetServingStatus(name, is_serving);
  }

  grpc::HealthCheckServiceInterface* const service_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_HEALTH_H_
