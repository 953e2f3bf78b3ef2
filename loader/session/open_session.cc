#include "loader/session/open_session.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/memory/slot_space.h"
#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

absl::Status CheckWalk(const SessionOrder& order, const CompressedModel& model,
                       const SessionLimits& limits) {
  const auto bad = [&](const std::string& message) {
    return WithErrorInfo(absl::InvalidArgumentError(message),
                         {.reason = ErrorReason::kBadRequest, .model = order.model});
  };
  if (order.depth > limits.max_depth) {
    return bad("a schedule is at most " + std::to_string(limits.max_depth) + " units deep");
  }
  std::vector<bool> seen(model.unit_count());
  for (const uint32_t unit : order.walk) {
    if (unit >= model.unit_count() || seen[unit]) {
      return bad("the schedule names unit " + std::to_string(unit) +
                 ", which is not there or was named before");
    }
    seen[unit] = true;
  }
  return absl::OkStatus();
}

// Of the walk's, or the model's where there is none.
uint64_t LargestSlotBytes(const SessionOrder& order, const CompressedModel& model) {
  uint64_t largest_bytes = 0;
  const auto consider = [&](uint32_t unit) {
    largest_bytes =
        std::max(largest_bytes, SlotSpace::SlotBytes(SizeIn(order.form, model.unit(unit))));
  };
  for (const uint32_t unit : order.walk) consider(unit);
  for (uint32_t unit = 0; order.walk.empty() && unit < model.unit_count(); ++unit) consider(unit);
  return largest_bytes;
}

// What the session is to have of slots, at least and at most.
struct WantedSlots {
  uint64_t least_bytes = 0;
  uint64_t most_bytes = 0;
};

absl::StatusOr<WantedSlots> SlotsFor(const SessionLimits& limits, const SessionOrder& order,
                                     const CompressedModel& model) {
  const uint64_t largest_bytes = LargestSlotBytes(order, model);
  const uint64_t wanted_bytes = order.slot_bytes / kSlotPageBytes * kSlotPageBytes;
  const uint64_t least_bytes =
      std::max(order.slot_bytes > 0 ? wanted_bytes : largest_bytes, kSlotPageBytes);
  const uint64_t quota_bytes = limits.max_slot_bytes > 0 ? limits.max_slot_bytes : UINT64_MAX;
  if (least_bytes > quota_bytes) {
    return WithErrorInfo(
        absl::ResourceExhaustedError("the session needs " + std::to_string(least_bytes) +
                                     " bytes of slots, and one may have at most " +
                                     std::to_string(quota_bytes) + ": raise session-slot-quota"),
        {.reason = ErrorReason::kBudgetTooSmall,
         .model = order.model,
         .shortfall_bytes = least_bytes - quota_bytes});
  }
  return WantedSlots{
      .least_bytes = least_bytes,
      .most_bytes = order.slot_bytes > 0
                        ? least_bytes
                        : std::min((uint64_t{order.depth} + 2) * least_bytes, quota_bytes)};
}

absl::Status TooFewLeft(Engine& engine, const SessionOrder& order, uint64_t least_bytes,
                        uint64_t left_bytes) {
  const std::string holder = HoldersText(
      engine.slot_grants().holders(), [&](uint32_t number) { return engine.NameOfModel(number); });
  std::string message = "the session needs " + std::to_string(least_bytes) +
                        " bytes of slots, and " + std::to_string(left_bytes) + " are left";
  if (!holder.empty()) message += " beside " + holder;
  return WithErrorInfo(absl::ResourceExhaustedError(message + ": raise slot-budget, or try later"),
                       {.reason = ErrorReason::kBudgetTooSmall,
                        .model = order.model,
                        .shortfall_bytes = least_bytes - left_bytes,
                        .holder = holder});
}

absl::StatusOr<uint64_t> TakeGrant(Engine& engine, const SessionLimits& limits,
                                   const SessionOrder& order, const CompressedModel& model) {
  if (order.resident && order.slot_bytes == 0) return uint64_t{0};
  ECF8_ASSIGN_OR_RETURN(const WantedSlots wanted, SlotsFor(limits, order, model));
  SlotGrants& grants = engine.slot_grants();
  const uint64_t granted_bytes = grants.Take(wanted.least_bytes, wanted.most_bytes);
  if (granted_bytes > 0) return granted_bytes;
  return TooFewLeft(engine, order, wanted.least_bytes,
                    std::min(grants.free_bytes(), wanted.least_bytes));
}

// Of memory that the device has not, with what of the grant it lacks: all of it, as one.
absl::Status RunRefused(const SessionOrder& order, uint64_t run_bytes, const absl::Status& status) {
  return WithErrorInfo(AddContext(status, "slots of the session's own"),
                       {.reason = absl::IsResourceExhausted(status) ? ErrorReason::kBudgetTooSmall
                                                                    : ErrorReason::kInternal,
                        .model = order.model,
                        .shortfall_bytes = absl::IsResourceExhausted(status) ? run_bytes : 0});
}

SessionPlan PlanOf(const SessionOrder& order, ServedModel model, uint64_t granted_bytes) {
  return {.model = std::move(model),
          .walk = SessionWalk(order.walk, order.cyclic, order.depth),
          .form = order.form,
          .granted_bytes = granted_bytes};
}

}  // namespace

absl::StatusOr<ServedModel> CheckOrder(const ModelSet& models, const SessionLimits& limits,
                                       const SessionOrder& order) {
  ECF8_ASSIGN_OR_RETURN(ServedModel served, models.Get(order.model));
  ECF8_RETURN_IF_ERROR(CheckDigest(*served->model(), order.digest));
  ECF8_RETURN_IF_ERROR(CheckWalk(order, *served->model(), limits));
  return served;
}

UnitSet ResidentSet(const EngineModel& model, UnitForm form) {
  UnitSet set{.model = model.number(), .tier = TierOf(form)};
  set.units.resize(model.model()->unit_count());
  std::iota(set.units.begin(), set.units.end(), 0u);
  return set;
}

absl::StatusOr<std::shared_ptr<Session>> OpenSession(Engine& engine, const SessionLimits& limits,
                                                     const SessionOrder& order, ServedModel model,
                                                     PinHold residence,
                                                     std::function<void()> on_outcome) {
  ECF8_ASSIGN_OR_RETURN(const uint64_t granted_bytes,
                        TakeGrant(engine, limits, order, *model->model()));
  residence.Keep();
  return std::make_shared<Session>(engine, limits, PlanOf(order, std::move(model), granted_bytes),
                                   std::move(residence), /*own_slots=*/nullptr,
                                   std::move(on_outcome));
}

absl::Status OpenOwnSession(Engine& engine, const SessionLimits& limits, SessionOrder order,
                            ServedModel model, std::function<void()> on_outcome,
                            OnOwnSession on_open) {
  const auto unknown = [&](const char* message) {
    return WithErrorInfo(absl::UnimplementedError(message),
                         {.reason = ErrorReason::kBadRequest, .model = order.model});
  };
  if (order.resident) return unknown("a GPU's slots are one session's: none can be resident");
  if (order.form != UnitForm::kDecoded) {
    return unknown("a GPU's slots hold decoded units alone: fetch the stored form");
  }
  ECF8_ASSIGN_OR_RETURN(const WantedSlots wanted, SlotsFor(limits, order, *model->model()));
  return engine.OpenRun(
      wanted.least_bytes, wanted.most_bytes,
      [&engine, limits, wanted, order = std::move(order), model = std::move(model),
       on_outcome = std::move(on_outcome),
       on_open = std::move(on_open)](absl::StatusOr<std::unique_ptr<EngineRun>> run, RunRoom room) {
        if (!run.ok()) return on_open(RunRefused(order, room.granted_bytes, run.status()), nullptr);
        if (*run == nullptr) {
          return on_open(TooFewLeft(engine, order, wanted.least_bytes, room.left_bytes), nullptr);
        }
        absl::StatusOr<std::shared_ptr<OwnSlots>> own = OwnSlots::Make(*std::move(run));
        if (!own.ok()) return on_open(RunRefused(order, 0, own.status()), nullptr);
        on_open(std::make_shared<Session>(engine, limits, PlanOf(order, model, room.granted_bytes),
                                          PinHold(), *own, on_outcome),
                *own);
      });
}

}  // namespace ecf8
