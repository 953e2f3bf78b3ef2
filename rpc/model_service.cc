#include "rpc/model_service.h"

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"
#include "rpc/describe.h"
#include "rpc/error_status.h"
#include "rpc/request_checks.h"
#include "rpc/request_id.h"
#include "spdlog/spdlog.h"

namespace ecf8 {
namespace {

absl::Status TooManyWait() {
  return WithErrorInfo(
      absl::ResourceExhaustedError("too many models wait for being opened: try again later"),
      {.reason = ErrorReason::kOverloaded});
}

// Finishes the call with `status`, and logs what happened to the model.
template <typename Request>
void Finish(const grpc::CallbackServerContext& context, grpc::ServerUnaryReactor* reactor,
            const Request& request, const char* what, const absl::Status& status) {
  const std::string id = RequestIdOf(context, request.request_id());
  const LoggedRequest logged(id);
  if (status.ok()) {
    spdlog::info("model {} was {}", Quoted(request.name()), what);
  } else {
    spdlog::warn("model {} was not {}: {}", Quoted(request.name()), what,
                 std::string(status.message()));
  }
  reactor->Finish(ToGrpcStatus(status, id));
}

}  // namespace

absl::Status ModelService::Add(const v1::AddModelRequest& request, v1::AddModelResponse* response) {
  ECF8_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  ECF8_ASSIGN_OR_RETURN(auto model, roots_.OpenModel(request.name()));
  if (!request.digest().empty()) ECF8_RETURN_IF_ERROR(CheckDigest(*model, request.digest()));
  ECF8_RETURN_IF_ERROR(models_.Add(model));
  FillModel(*model, response->mutable_model());
  return absl::OkStatus();
}

absl::Status ModelService::Remove(const v1::RemoveModelRequest& request,
                                  v1::RemoveModelResponse* response) {
  ECF8_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  ECF8_ASSIGN_OR_RETURN(const ServedModel removed,
                        models_.Remove(request.name(), request.digest()));
  FillModel(*removed->model(), response->mutable_model());
  return absl::OkStatus();
}

// A model's manifest is read from the disk, and its files are opened: not here.
grpc::ServerUnaryReactor* ModelService::AddModel(grpc::CallbackServerContext* context,
                                                 const v1::AddModelRequest* request,
                                                 v1::AddModelResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (absl::Status may = access_.CheckModel(*context, Scope::kAdmin, request->name()); !may.ok()) {
    Finish(*context, reactor, *request, "added", may);
    return reactor;
  }
  const bool sees_all = access_.SeesAll(*context, Scope::kAdmin);
  const bool taken = opener_.TrySubmit([this, context, reactor, request, response, sees_all] {
    if (context->IsCancelled()) return reactor->Finish(grpc::Status::CANCELLED);
    const absl::Status status = Add(*request, response);
    Finish(*context, reactor, *request, "added", sees_all ? status : HideHolder(status));
  });
  if (!taken) Finish(*context, reactor, *request, "added", TooManyWait());
  return reactor;
}

grpc::ServerUnaryReactor* ModelService::RemoveModel(grpc::CallbackServerContext* context,
                                                    const v1::RemoveModelRequest* request,
                                                    v1::RemoveModelResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::Status status = access_.CheckModel(*context, Scope::kAdmin, request->name());
  if (status.ok()) status = Remove(*request, response);
  Finish(*context, reactor, *request, "removed", status);
  return reactor;
}

}  // namespace ecf8
