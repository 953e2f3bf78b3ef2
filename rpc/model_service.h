// ecf8.v1.ModelService: models are added and removed while the daemon serves.
#ifndef ECF8_RPC_MODEL_SERVICE_H_
#define ECF8_RPC_MODEL_SERVICE_H_

#include <cstddef>

#include "ecf8/v1/models.grpc.pb.h"
#include "loader/base/worker_pool.h"
#include "loader/serve/model_roots.h"
#include "loader/serve/model_set.h"
#include "rpc/access_control.h"

namespace ecf8 {

class ModelService final : public v1::ModelService::CallbackService {
 public:
  // All of them outlive the service.
  ModelService(const AccessControl& access, ModelSet& models, const ModelRoots& roots)
      : access_(access), models_(models), roots_(roots) {}

  grpc::ServerUnaryReactor* AddModel(grpc::CallbackServerContext* context,
                                     const v1::AddModelRequest* request,
                                     v1::AddModelResponse* response) override;

  grpc::ServerUnaryReactor* RemoveModel(grpc::CallbackServerContext* context,
                                        const v1::RemoveModelRequest* request,
                                        v1::RemoveModelResponse* response) override;

 private:
  // Models that wait for being opened, one after the other; more are refused.
  static constexpr size_t kMaxWaiting = 16;

  absl::Status Add(const v1::AddModelRequest& request, v1::AddModelResponse* response);
  absl::Status Remove(const v1::RemoveModelRequest& request, v1::RemoveModelResponse* response);

  const AccessControl& access_;
  ModelSet& models_;
  const ModelRoots& roots_;
  WorkerPool opener_{/*threads=*/1, kMaxWaiting};  // last: its tasks use the others
};

}  // namespace ecf8

#endif  // ECF8_RPC_MODEL_SERVICE_H_
