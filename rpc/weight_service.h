// ecf8.v1.WeightService over a set of models. Handlers validate, start a stream, and return.
#ifndef ECF8_RPC_WEIGHT_SERVICE_H_
#define ECF8_RPC_WEIGHT_SERVICE_H_

#include <chrono>
#include <memory>

#include "ecf8/v1/weights.grpc.pb.h"
#include "loader/base/worker_pool.h"
#include "loader/engine/access_log.h"
#include "loader/engine/engine.h"
#include "loader/serve/model_set.h"
#include "loader/serve/unit_reader.h"
#include "rpc/access_control.h"
#include "rpc/message_buffers.h"
#include "rpc/session_stream.h"
#include "rpc/stream_registry.h"

namespace ecf8 {

// What ReadFile runs on: disks may be slow, and fetches do not wait for them.
struct FileParts {
  WorkerPool& pool;
  StreamRegistry& registry;
};

// Fetch is handed its messages as bytes: fetch_message.h.
class WeightService final
    : public v1::WeightService::WithRawCallbackMethod_Fetch<v1::WeightService::CallbackService> {
 public:
  // All of them must outlive the service and its streams.
  // `recorders` are the RecordAccesses calls, `files.registry` the ReadFile calls,
  // `sessions.registry` the Session calls, `registry` all other streams.
  WeightService(const AccessControl& access, const ModelSet& models, Engine& engine,
                AccessLog& accesses, WorkerPool& pool, StreamRegistry& registry,
                StreamRegistry& recorders, const FileParts& files, const SessionParts& sessions)
      : access_(access),
        models_(models),
        engine_(engine),
        accesses_(accesses),
        pool_(pool),
        buffers_(std::make_shared<MessageBuffers>(kMaxMessageDataBytes, kKeptBuffers)),
        registry_(registry),
        recorders_(recorders),
        files_(files),
        sessions_(sessions) {}

  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;

  grpc::ServerWriteReactor<v1::DescribeModelResponse>* DescribeModel(
      grpc::CallbackServerContext* context, const v1::DescribeModelRequest* request) override;

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Fetch(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request) override;

  grpc::ServerWriteReactor<v1::ReadFileResponse>* ReadFile(
      grpc::CallbackServerContext* context, const v1::ReadFileRequest* request) override;

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;

  grpc::ServerWriteReactor<v1::RecordAccessesResponse>* RecordAccesses(
      grpc::CallbackServerContext* context, const v1::RecordAccessesRequest* request) override;

  grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>* Session(
      grpc::CallbackServerContext* context) override;

 private:
  // Of messages that are not under way.
  static constexpr size_t kKeptBuffers = 16;

  const AccessControl& access_;
  const ModelSet& models_;
  Engine& engine_;
  AccessLog& accesses_;
  WorkerPool& pool_;
  const std::shared_ptr<MessageBuffers> buffers_;
  StreamRegistry& registry_;
  StreamRegistry& recorders_;
  const FileParts files_;
  const SessionParts sessions_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace ecf8

#endif  // ECF8_RPC_WEIGHT_SERVICE_H_
