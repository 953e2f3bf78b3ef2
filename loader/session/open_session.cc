#include "loader/session/open_session.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "decoder/status_macros.h"
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
        std::max(largest_bytes, SlotSpace::SlotBytes(model.unit(unit).decoded_size_bytes));
  };
  for (const uint32_t unit : order.walk) consider(unit);
  for (uint32_t unit = 0; order.walk.empty() && unit < model.unit_count(); ++unit) consider(unit);
  return largest_bytes;
}

absl::StatusOr<uint64_t> TakeGrant(Engine& engine, const SessionLimits& limits,
                                   const SessionOrder& order, const CompressedModel& model) {
  SlotGrants& grants = engine.slot_grants();
  if (order.resident && order.slot_bytes == 0) return uint64_t{0};
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
  const uint64_t most_bytes =
      order.slot_bytes > 0 ? least_bytes
                           : std::min((uint64_t{order.depth} + 2) * least_bytes, quota_bytes);
  const uint64_t granted_bytes = grants.Take(least_bytes, most_bytes);
  if (granted_bytes > 0) return granted_bytes;
  const uint64_t left_bytes = std::min(grants.free_bytes(), least_bytes);
  const std::string holder =
      HoldersText(grants.holders(), [&](uint32_t number) { return engine.NameOfModel(number); });
  std::string message = "the session needs " + std::to_string(least_bytes) +
                        " bytes of slots, and " + std::to_string(left_bytes) + " are left";
  if (!holder.empty()) message += " beside " + holder;
  return WithErrorInfo(absl::ResourceExhaustedError(message + ": raise slot-budget, or try later"),
                       {.reason = ErrorReason::kBudgetTooSmall,
                        .model = order.model,
                        .shortfall_bytes = least_bytes - left_bytes,
                        .holder = holder});
}

}  // namespace

absl::StatusOr<ServedModel> CheckOrder(const ModelSet& models, const SessionLimits& limits,
                                       const SessionOrder& order) {
  ECF8_ASSIGN_OR_RETURN(ServedModel served, models.Get(order.model));
  ECF8_RETURN_IF_ERROR(CheckDigest(*served->model(), order.digest));
  ECF8_RETURN_IF_ERROR(CheckWalk(order, *served->model(), limits));
  return served;
}

UnitSet ResidentSet(const EngineModel& model) {
  UnitSet set{.model = model.number(), .tier = Tier::kSlots};
  set.units.resize(model.model()->unit_count());
  std::iota(set.units.begin(), set.units.end(), 0u);
  return set;
}

absl::StatusOr<std::shared_ptr<Session>> OpenSession(Engine& engine, const SessionLimits& limits,
                                                     SessionOrder order, ServedModel model,
                                                     PinHold residence,
                                                     std::function<void()> on_outcome) {
  ECF8_ASSIGN_OR_RETURN(const uint64_t granted_bytes,
                        TakeGrant(engine, limits, order, *model->model()));
  residence.Keep();
  return std::make_shared<Session>(
      engine, limits,
      SessionPlan{.model = std::move(model),
                  .walk = SessionWalk(std::move(order.walk), order.cyclic, order.depth),
                  .granted_bytes = granted_bytes},
      std::move(residence), std::move(on_outcome));
}

}  // namespace ecf8
