#include "rpc/control_service.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/engine/residency.h"
#include "loader/model/error_info.h"
#include "loader/serve/selection.h"
#include "rpc/error_status.h"
#include "rpc/failed_stream.h"
#include "rpc/preload_stream.h"
#include "rpc/request_checks.h"
#include "rpc/request_id.h"
#include "spdlog/spdlog.h"

namespace ecf8 {
namespace {

// With `whatever_is_there`: in every form that the tier has, and of no tier, in all.
absl::StatusOr<std::vector<Tier>> TiersOf(v1::MemoryTier tier, bool whatever_is_there) {
  switch (tier) {
    case v1::MEMORY_TIER_HOST:
      return std::vector{Tier::kHost};
    case v1::MEMORY_TIER_DEVICE:
      return std::vector{Tier::kDevice};
    case v1::MEMORY_TIER_SLOTS:
      if (whatever_is_there) return std::vector{Tier::kSlots, Tier::kStoredSlots};
      return std::vector{Tier::kSlots};
    case v1::MEMORY_TIER_UNSPECIFIED:
      if (whatever_is_there) {
        return std::vector{Tier::kHost, Tier::kDevice, Tier::kSlots, Tier::kStoredSlots};
      }
      return BadRequest("name a tier: host, device or slots");
    default:
      return BadRequest("unknown tier " + std::to_string(tier));
  }
}

// What a request names, a set for each tier.
struct NamedUnits {
  ServedModel model;
  std::vector<UnitSet> sets;
};

absl::StatusOr<NamedUnits> Resolve(const ModelSet& models, const v1::UnitsInTier& units,
                                   bool whatever_is_there) {
  ECF8_ASSIGN_OR_RETURN(const std::vector<Tier> tiers, TiersOf(units.tier(), whatever_is_there));
  ECF8_ASSIGN_OR_RETURN(ServedModel served, models.Get(units.model()));
  const CompressedModel& model = *served->model();
  const std::vector<std::string_view> names(units.units().begin(), units.units().end());
  ECF8_ASSIGN_OR_RETURN(const Selection selection, Selection::Make(model, names, {}));
  UnitSet set{.model = served->number()};
  for (size_t i = 0; i < selection.unit_count(); ++i) {
    set.units.push_back(selection.Get(model, i).unit_index);
  }
  NamedUnits named{.model = std::move(served), .sets = {tiers.size(), set}};
  for (size_t i = 0; i < tiers.size(); ++i) named.sets[i].tier = tiers[i];
  return named;
}

absl::StatusOr<PreloadOrder> MakeOrder(const ModelSet& models, const v1::PreloadRequest& request) {
  ECF8_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  ECF8_ASSIGN_OR_RETURN(NamedUnits named,
                        Resolve(models, request.units(), /*whatever_is_there=*/false));
  return PreloadOrder{
      .set = std::move(named.sets[0]), .model = std::move(named.model), .pin = request.pin()};
}

absl::Status TooManyCalls() {
  return WithErrorInfo(absl::ResourceExhaustedError("too many calls at once: try again later"),
                       {.reason = ErrorReason::kOverloaded});
}

void AddTotals(const UnitTotals& totals, v1::UnitTotals* out) {
  out->set_units(out->units() + totals.units);
  out->set_bytes(out->bytes() + totals.bytes);
}

}  // namespace

template <typename Request, typename Question>
grpc::ServerUnaryReactor* ControlService::Ask(grpc::CallbackServerContext* context,
                                              const char* name, const Request& request,
                                              bool whatever_is_there, Question question) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto end = [this, reactor, name, model = request.units().model(),
                    id = RequestIdOf(*context)](const absl::Status& status) {
    --calls_;
    const LoggedRequest logged(id);
    spdlog::info(
        "{} of {}: {}", name, Quoted(model),
        status.ok() ? "done" : status.ToString(absl::StatusToStringMode::kWithNoExtraData));
    reactor->Finish(ToGrpcStatus(status, id));
  };
  absl::Status status = access_.CheckModel(*context, Scope::kAdmin, request.units().model());
  const bool sees_all = access_.SeesAll(*context, Scope::kAdmin);
  NamedUnits named;
  if (status.ok()) {
    auto resolved = Resolve(models_, request.units(), whatever_is_there);
    status = resolved.status();
    if (status.ok()) named = *std::move(resolved);
  }
  if (++calls_ > kMaxCalls) status.Update(TooManyCalls());
  if (status.ok()) {
    status =
        engine_.Ask([this, named = std::move(named), question, sees_all, end](EngineCore& core) {
          absl::Status answer;
          for (const UnitSet& set : named.sets) answer.Update(question(core, set));
          if (!sees_all) answer = HideHolder(answer);
          if (!pool_.TrySubmit([end, answer] { end(answer); })) end(answer);
        });
  }
  if (!status.ok()) end(status);
  return reactor;
}

grpc::ServerWriteReactor<v1::PreloadProgress>* ControlService::Preload(
    grpc::CallbackServerContext* context, const v1::PreloadRequest* request) {
  const std::string id = RequestIdOf(*context, request->request_id());
  const Scope scope = request->pin() ? Scope::kAdmin : Scope::kPreload;
  absl::Status may = access_.CheckModel(*context, scope, request->units().model());
  if (!may.ok()) return FailStream<v1::PreloadProgress>(may, id);
  auto order = MakeOrder(models_, *request);
  if (!order.ok()) return FailStream<v1::PreloadProgress>(order.status(), id);
  order->bytes_per_second = preload_bytes_per_second_;
  const auto stream = PreloadStream::Make(
      engine_, *std::move(order), {.request_id = id, .sees_all = access_.SeesAll(*context, scope)},
      pool_, preloads_);
  if (absl::Status status = preloads_.Add(stream); !status.ok()) {
    return FailStream<v1::PreloadProgress>(status, id);
  }
  stream->Start();
  return stream.get();
}

grpc::ServerUnaryReactor* ControlService::Pin(grpc::CallbackServerContext* context,
                                              const v1::PinRequest* request,
                                              v1::PinResponse* response) {
  return Ask(context, "pin", *request, /*whatever_is_there=*/false,
             [response](EngineCore& core, const UnitSet& set) {
               const absl::StatusOr<UnitTotals> pinned = core.Pin(set, PinReason::kKept);
               if (pinned.ok()) AddTotals(*pinned, response->mutable_pinned());
               return pinned.status();
             });
}

grpc::ServerUnaryReactor* ControlService::Unpin(grpc::CallbackServerContext* context,
                                                const v1::UnpinRequest* request,
                                                v1::UnpinResponse* response) {
  return Ask(context, "unpin", *request, /*whatever_is_there=*/true,
             [response](EngineCore& core, const UnitSet& set) {
               const UnpinReport report = core.Unpin(set, PinReason::kKept);
               AddTotals(report.removed, response->mutable_unpinned());
               AddTotals(report.held, response->mutable_held());
               return absl::OkStatus();
             });
}

grpc::ServerUnaryReactor* ControlService::Evict(grpc::CallbackServerContext* context,
                                                const v1::EvictRequest* request,
                                                v1::EvictResponse* response) {
  return Ask(context, "evict", *request, /*whatever_is_there=*/true,
             [response](EngineCore& core, const UnitSet& set) {
               const EvictReport report = core.Evict(set);
               AddTotals(report.freed, response->mutable_freed());
               AddTotals(report.in_use, response->mutable_in_use());
               AddTotals(report.pinned, response->mutable_pinned());
               return absl::OkStatus();
             });
}

}  // namespace ecf8
