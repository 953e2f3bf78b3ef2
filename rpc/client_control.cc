// WeightClient: what is to be in memory.
#include "decoder/status_macros.h"
#include "rpc/call_ends.h"
#include "rpc/call_limits.h"
#include "rpc/client.h"
#include "rpc/error_status.h"

namespace ecf8 {
namespace {

bool MakesSense(const v1::PreloadProgress& progress) {
  return progress.units_done() <= progress.units() &&
         progress.units_not_kept() <= progress.units_done() &&
         progress.bytes_done() <= progress.bytes() &&
         progress.bytes_not_kept() <= progress.bytes_done() &&
         progress.bytes_loaded() <= progress.bytes_done();
}

template <typename Request, typename Response>
using Method = grpc::Status (v1::ControlService::Stub::*)(grpc::ClientContext* context,
                                                          const Request& request,
                                                          Response* response);

template <typename Request, typename Response>
absl::StatusOr<Response> Ask(Method<Request, Response> method, v1::ControlService::Stub& stub,
                             const v1::UnitsInTier& units, const std::stop_token& stop) {
  LimitedContext context({}, stop);
  Request request;
  *request.mutable_units() = units;
  Response response;
  ECF8_RETURN_IF_ERROR(
      context.Explain(FromGrpcStatus((stub.*method)(context.get(), request, &response))));
  return response;
}

}  // namespace

absl::StatusOr<v1::PreloadProgress> WeightClient::Preload(
    const v1::PreloadRequest& request,
    const std::function<void(const v1::PreloadProgress&)>& on_progress, const CallLimits& limits) {
  LimitedContext context(limits, stop_);
  const auto reader = control_stub_->Preload(context.get(), request);
  v1::PreloadProgress progress;
  absl::Status error;
  while (error.ok() && reader->Read(&progress)) {
    if (!MakesSense(progress)) error = absl::DataLossError("a progress that cannot be");
    if (error.ok()) on_progress(progress);
  }
  ECF8_RETURN_IF_ERROR(context.Explain(EndStream(*reader, *context.get(), error)));
  if (!progress.done()) return absl::DataLossError("the preload ended without an end");
  return progress;
}

absl::StatusOr<v1::PinResponse> WeightClient::Pin(const v1::UnitsInTier& units) {
  return Ask(&v1::ControlService::Stub::Pin, *control_stub_, units, stop_);
}

absl::StatusOr<v1::UnpinResponse> WeightClient::Unpin(const v1::UnitsInTier& units) {
  return Ask(&v1::ControlService::Stub::Unpin, *control_stub_, units, stop_);
}

absl::StatusOr<v1::EvictResponse> WeightClient::Evict(const v1::UnitsInTier& units) {
  return Ask(&v1::ControlService::Stub::Evict, *control_stub_, units, stop_);
}

}  // namespace ecf8
