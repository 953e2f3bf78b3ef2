#include "ecf8/control.h"

#include "decoder/status_macros.h"
#include "ecf8/client.h"
#include "rpc/public/client_state.h"
#include "rpc/public/convert.h"

namespace ecf8 {
namespace {

static_assert(static_cast<int>(MemoryTier::kHost) == v1::MEMORY_TIER_HOST);
static_assert(static_cast<int>(MemoryTier::kDevice) == v1::MEMORY_TIER_DEVICE);
static_assert(static_cast<int>(MemoryTier::kSlots) == v1::MEMORY_TIER_SLOTS);

v1::PreloadRequest ToProto(const PreloadRequest& request) {
  v1::PreloadRequest proto;
  proto.mutable_units()->set_model(request.model);
  proto.mutable_units()->mutable_units()->Add(request.units.begin(), request.units.end());
  proto.mutable_units()->set_tier(static_cast<v1::MemoryTier>(request.tier));
  proto.set_pin(request.pin);
  proto.set_request_id(request.request_id);
  return proto;
}

PreloadReport ToProgress(const v1::PreloadProgress& proto) {
  PreloadReport progress;
  progress.units = proto.units();
  progress.units_done = proto.units_done();
  progress.units_not_kept = proto.units_not_kept();
  progress.size_bytes = proto.bytes();
  progress.done_bytes = proto.bytes_done();
  progress.not_kept_bytes = proto.bytes_not_kept();
  progress.loaded_bytes = proto.bytes_loaded();
  progress.elapsed = std::chrono::milliseconds(proto.elapsed_ms());
  return progress;
}

TierStatus ToTierStatus(const v1::Tier& tier) {
  return {.capacity_bytes = tier.capacity_bytes(),
          .free_bytes = tier.free_bytes(),
          .units = tier.units(),
          .hits = tier.hits(),
          .misses = tier.misses(),
          .evictions = tier.evictions()};
}

}  // namespace

absl::StatusOr<PreloadReport> Client::Preload(
    const PreloadRequest& request, const std::function<void(const PreloadReport&)>& on_progress,
    const CallOptions& options) const {
  const CallLimits limits = ToLimits(options);
  const v1::PreloadRequest proto = ToProto(request);
  PreloadReport end;
  ECF8_RETURN_IF_ERROR(state_->Call(limits, [&]() -> absl::Status {
    const auto tell = [&](const v1::PreloadProgress& progress) {
      if (on_progress) on_progress(ToProgress(progress));
    };
    ECF8_ASSIGN_OR_RETURN(const v1::PreloadProgress last,
                          state_->client->Preload(proto, tell, limits));
    end = ToProgress(last);
    return absl::OkStatus();
  }));
  return end;
}

absl::StatusOr<DaemonStatus> Client::Status(const CallOptions& options) const {
  const CallLimits limits = ToLimits(options);
  DaemonStatus status;
  ECF8_RETURN_IF_ERROR(state_->Call(limits, [&]() -> absl::Status {
    ECF8_ASSIGN_OR_RETURN(const v1::GetStatusResponse told, state_->client->GetStatus(limits));
    status.uptime = std::chrono::milliseconds(told.uptime_ms());
    status.host = ToTierStatus(told.host());
    status.device = ToTierStatus(told.device());
    status.slots = ToTierStatus(told.slots());
    status.granted_slot_bytes = told.slots().granted_bytes();
    status.read_bytes = told.pipeline().read_bytes();
    status.decoded_bytes = told.pipeline().decoded_bytes();
    status.failed_units = told.pipeline().failed_units();
    return absl::OkStatus();
  }));
  return status;
}

}  // namespace ecf8
