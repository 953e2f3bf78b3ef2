#include "rpc/weight_service.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "decoder/status_macros.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"
#include "loader/serve/model_files.h"
#include "loader/serve/selection.h"
#include "loader/serve/unit_reader.h"
#include "rpc/describe.h"
#include "rpc/describe_stream.h"
#include "rpc/error_status.h"
#include "rpc/failed_stream.h"
#include "rpc/fetch_stream.h"
#include "rpc/file_part.h"
#include "rpc/file_stream.h"
#include "rpc/record_stream.h"
#include "rpc/request_checks.h"
#include "rpc/request_id.h"
#include "rpc/status.h"

namespace ecf8 {
namespace {

class FailedSession final
    : public grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse> {
 public:
  explicit FailedSession(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

absl::StatusOr<ReadOrder> MakeOrder(const ModelSet& models, const v1::FetchRequest& request) {
  ECF8_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  if (request.form() != v1::FORM_STORED && request.form() != v1::FORM_DECODED) {
    return BadRequest("unknown form " + std::to_string(request.form()));
  }
  ECF8_ASSIGN_OR_RETURN(ServedModel model, models.Get(request.model()));
  if (!request.digest().empty()) {
    ECF8_RETURN_IF_ERROR(CheckDigest(*model->model(), request.digest()));
  }
  const std::vector<std::string_view> units(request.units().begin(), request.units().end());
  const std::vector<std::string_view> tensors(request.tensors().begin(), request.tensors().end());
  ECF8_ASSIGN_OR_RETURN(Selection selection, Selection::Make(*model->model(), units, tensors));
  return ReadOrder{
      .model = std::move(model),
      .selection = std::move(selection),
      .form = request.form() == v1::FORM_STORED ? UnitForm::kStored : UnitForm::kDecoded};
}

absl::StatusOr<ModelFile> FindPart(const ModelSet& models, const v1::ReadFileRequest& request) {
  ECF8_ASSIGN_OR_RETURN(const ServedModel served, models.Get(request.model()));
  const std::shared_ptr<const CompressedModel>& model = served->model();
  if (!request.digest().empty()) ECF8_RETURN_IF_ERROR(CheckDigest(*model, request.digest()));
  ECF8_ASSIGN_OR_RETURN(ModelFile file, FindModelFile(model, request.path()));
  if (request.size_bytes() == 0 || request.size_bytes() > kMaxFilePartBytes) {
    return BadRequest("a part of a file has 1 to " + std::to_string(kMaxFilePartBytes) + " bytes");
  }
  if (request.offset_bytes() > file.size_bytes ||
      request.size_bytes() > file.size_bytes - request.offset_bytes()) {
    return BadRequest("the file " + Quoted(file.path) + " has " + std::to_string(file.size_bytes) +
                      " bytes: the part ends behind it");
  }
  return file;
}

// Those named, or all, that the caller may see.
absl::StatusOr<std::vector<RecordedModelRef>> ModelsToRecord(
    const ModelSet& models, const Principal& caller, const v1::RecordAccessesRequest& request) {
  const std::vector<ServedModel> served = models.models();
  if (static_cast<size_t>(request.models_size()) > served.size()) {
    return BadRequest("more models than there are");
  }
  std::vector<RecordedModelRef> recorded;
  for (const std::string& name : request.models()) {
    if (!caller.MaySee(name)) return NotServed(name);
    ECF8_ASSIGN_OR_RETURN(const ServedModel model, models.Get(name));
    for (const RecordedModelRef& other : recorded) {
      if (other.number == model->number()) {
        return BadRequest("model " + Quoted(name) + " is named twice");
      }
    }
    recorded.push_back({model->number(), model->model()});
  }
  if (!recorded.empty()) return recorded;
  for (const ServedModel& model : served) {
    if (!caller.MaySee(model->model()->name())) continue;
    recorded.push_back({model->number(), model->model()});
  }
  if (!recorded.empty()) return recorded;
  return WithErrorInfo(absl::NotFoundError("no model is served"),
                       {.reason = ErrorReason::kModelNotFound});
}

}  // namespace

grpc::ServerUnaryReactor* WeightService::ListModels(grpc::CallbackServerContext* context,
                                                    const v1::ListModelsRequest* /*request*/,
                                                    v1::ListModelsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const absl::StatusOr<Principal> caller = access_.Check(*context, Scope::kRead);
  for (const ServedModel& model : models_.models()) {
    if (!caller.ok() || !caller->MaySee(model->model()->name())) continue;
    FillModel(*model->model(), response->add_models());
  }
  reactor->Finish(ToGrpcStatus(caller.status(), RequestIdOf(*context)));
  return reactor;
}

grpc::ServerUnaryReactor* WeightService::GetStatus(grpc::CallbackServerContext* context,
                                                   const v1::GetStatusRequest* /*request*/,
                                                   v1::GetStatusResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const absl::StatusOr<Principal> caller = access_.Check(*context, Scope::kRead);
  if (!caller.ok()) {
    reactor->Finish(ToGrpcStatus(caller.status(), RequestIdOf(*context)));
    return reactor;
  }
  const auto uptime = std::chrono::steady_clock::now() - started_;
  response->set_uptime_ms(
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(uptime).count()));
  response->set_streams(static_cast<uint32_t>(registry_.size() + files_.registry.size()));
  FillStatus(engine_, *caller, response);
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<v1::DescribeModelResponse>* WeightService::DescribeModel(
    grpc::CallbackServerContext* context, const v1::DescribeModelRequest* request) {
  const std::string id = RequestIdOf(*context);
  if (absl::Status may = access_.CheckModel(*context, Scope::kRead, request->model()); !may.ok()) {
    return FailStream<v1::DescribeModelResponse>(may, id);
  }
  const auto model = models_.Get(request->model());
  if (!model.ok()) return FailStream<v1::DescribeModelResponse>(model.status(), id);
  const auto stream =
      std::make_shared<DescribeStream>((*model)->model(), request->with_chunks(), registry_);
  if (absl::Status status = registry_.Add(stream); !status.ok()) {
    return FailStream<v1::DescribeModelResponse>(status, id);
  }
  stream->Start();
  return stream.get();
}

grpc::ServerWriteReactor<v1::ReadFileResponse>* WeightService::ReadFile(
    grpc::CallbackServerContext* context, const v1::ReadFileRequest* request) {
  const std::string id = RequestIdOf(*context);
  if (absl::Status may = access_.CheckModel(*context, Scope::kRead, request->model()); !may.ok()) {
    return FailStream<v1::ReadFileResponse>(may, id);
  }
  absl::StatusOr<ModelFile> file = FindPart(models_, *request);
  if (!file.ok()) return FailStream<v1::ReadFileResponse>(file.status(), id);
  const auto stream =
      std::make_shared<FileStream>(*std::move(file), request->offset_bytes(), request->size_bytes(),
                                   id, files_.pool, files_.registry);
  if (absl::Status status = files_.registry.Add(stream); !status.ok()) {
    return FailStream<v1::ReadFileResponse>(status, id);
  }
  stream->Start();
  return stream.get();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* WeightService::Fetch(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes) {
  v1::FetchRequest request;
  grpc::ByteBuffer reference(*bytes);  // which parsing takes
  if (!grpc::SerializationTraits<v1::FetchRequest>::Deserialize(&reference, &request).ok()) {
    return FailStream<grpc::ByteBuffer>(BadRequest("the request does not parse"),
                                        RequestIdOf(*context));
  }
  const std::string id = RequestIdOf(*context, request.request_id());
  if (absl::Status may = access_.CheckModel(*context, Scope::kRead, request.model()); !may.ok()) {
    return FailStream<grpc::ByteBuffer>(may, id);
  }
  auto order = MakeOrder(models_, request);
  if (!order.ok()) return FailStream<grpc::ByteBuffer>(order.status(), id);
  const auto stream =
      std::make_shared<FetchStream>(engine_, *std::move(order), id, pool_, buffers_, registry_);
  if (absl::Status status = registry_.Add(stream); !status.ok()) {
    return FailStream<grpc::ByteBuffer>(status, id);
  }
  stream->Start();
  return stream.get();
}

grpc::ServerWriteReactor<v1::RecordAccessesResponse>* WeightService::RecordAccesses(
    grpc::CallbackServerContext* context, const v1::RecordAccessesRequest* request) {
  const std::string id = RequestIdOf(*context);
  const absl::StatusOr<Principal> caller = access_.Check(*context, Scope::kAdmin);
  if (!caller.ok()) return FailStream<v1::RecordAccessesResponse>(caller.status(), id);
  auto models = ModelsToRecord(models_, *caller, *request);
  if (!models.ok()) return FailStream<v1::RecordAccessesResponse>(models.status(), id);
  const auto stream =
      std::make_shared<RecordStream>(context, *std::move(models), accesses_, recorders_);
  if (absl::Status status = recorders_.Add(stream); !status.ok()) {
    return FailStream<v1::RecordAccessesResponse>(status, id);
  }
  stream->Start();
  return stream.get();
}

grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>* WeightService::Session(
    grpc::CallbackServerContext* context) {
  const auto stream = std::make_shared<SessionStream>(*context, sessions_);
  if (absl::Status status = sessions_.registry.Add(stream); !status.ok()) {
    return new FailedSession(ToGrpcStatus(status, RequestIdOf(*context)));
  }
  stream->Start();
  return stream.get();
}

}  // namespace ecf8
