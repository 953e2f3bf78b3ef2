// ecf8.v1.ControlService: what is to be in memory. Handlers validate, ask the engine, and return.
#ifndef ECF8_RPC_CONTROL_SERVICE_H_
#define ECF8_RPC_CONTROL_SERVICE_H_

#include <atomic>
#include <cstddef>

#include "ecf8/v1/control.grpc.pb.h"
#include "loader/base/worker_pool.h"
#include "loader/engine/engine.h"
#include "loader/serve/model_set.h"
#include "rpc/access_control.h"
#include "rpc/stream_registry.h"

namespace ecf8 {

class ControlService final : public v1::ControlService::CallbackService {
 public:
  // Pin, Unpin and Evict at once. Each has at most one task in the pool.
  static constexpr size_t kMaxCalls = 64;

  // All of them must outlive the service and its calls. `preloads` are the Preload calls, each of
  // which reads so many bytes a second at most; 0: as fast as it goes.
  ControlService(const AccessControl& access, const ModelSet& models, Engine& engine,
                 WorkerPool& pool, StreamRegistry& preloads, uint64_t preload_bytes_per_second)
      : access_(access),
        models_(models),
        engine_(engine),
        pool_(pool),
        preloads_(preloads),
        preload_bytes_per_second_(preload_bytes_per_second) {}

  grpc::ServerWriteReactor<v1::PreloadProgress>* Preload(
      grpc::CallbackServerContext* context, const v1::PreloadRequest* request) override;

  grpc::ServerUnaryReactor* Pin(grpc::CallbackServerContext* context, const v1::PinRequest* request,
                                v1::PinResponse* response) override;

  grpc::ServerUnaryReactor* Unpin(grpc::CallbackServerContext* context,
                                  const v1::UnpinRequest* request,
                                  v1::UnpinResponse* response) override;

  grpc::ServerUnaryReactor* Evict(grpc::CallbackServerContext* context,
                                  const v1::EvictRequest* request,
                                  v1::EvictResponse* response) override;

 private:
  // Has `question`, of what `request` names, called by the engine, and ends the call with what it
  // returns, on the pool. RESOURCE_EXHAUSTED beyond kMaxCalls at once.
  template <typename Request, typename Question>
  grpc::ServerUnaryReactor* Ask(grpc::CallbackServerContext* context, const char* name,
                                const Request& request, bool whatever_is_there, Question question);

  const AccessControl& access_;
  const ModelSet& models_;
  Engine& engine_;
  WorkerPool& pool_;
  StreamRegistry& preloads_;
  const uint64_t preload_bytes_per_second_;
  std::atomic<size_t> calls_ = 0;  // that the engine is asked for
};

}  // namespace ecf8

#endif  // ECF8_RPC_CONTROL_SERVICE_H_
