#include "loader/engine/unit_errors.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

ErrorInfo InfoOf(const UnitState& unit, size_t part, ErrorReason reason) {
  ErrorInfo info{.reason = reason,
                 .model = unit.model->name(),
                 .unit = unit.unit->id,
                 .shard = unit.model->shard_of(unit.unit_index).file_name,
                 .offset_bytes = unit.unit->offset_bytes};
  if (part >= unit.parts->size()) return info;
  const UnitPart& bad = (*unit.parts)[part];
  if (!bad.is_tables()) info.tensor = unit.unit->pieces[bad.piece].tensor;
  info.offset_bytes += bad.stored_offset_bytes;
  return info;
}

std::string NameOf(const ErrorInfo& info) {
  std::string name = absl::StrCat(Quoted(info.shard), ", unit ", Quoted(info.unit));
  if (!info.tensor.empty()) absl::StrAppend(&name, ", tensor ", Quoted(info.tensor));
  return name;
}

}  // namespace

absl::Status ModelIsGone(const std::string& model) {
  return WithErrorInfo(absl::NotFoundError(absl::StrCat("no model ", Quoted(model), " any more")),
                       {.reason = ErrorReason::kModelNotFound, .model = model});
}

absl::Status DoesNotFit(const CompressedModel& model, const Unit& unit, Tier tier,
                        uint64_t shortfall_bytes) {
  return WithErrorInfo(absl::ResourceExhaustedError(absl::StrCat(
                           "model ", Quoted(model.name()), ", unit ", Quoted(unit.id), ": the ",
                           BudgetName(tier), " budget is too small by ", shortfall_bytes,
                           " bytes (", FormatBytes(shortfall_bytes), ")")),
                       {.reason = ErrorReason::kBudgetTooSmall,
                        .model = model.name(),
                        .unit = unit.id,
                        .shortfall_bytes = shortfall_bytes});
}

absl::Status DoNotFit(const std::string& model, Tier tier, uint64_t shortfall_bytes,
                      std::string holder) {
  std::string message = absl::StrCat("model ", Quoted(model), ": the ", BudgetName(tier),
                                     " budget is too small for the units by ", shortfall_bytes,
                                     " bytes (", FormatBytes(shortfall_bytes), ")");
  if (!holder.empty()) absl::StrAppend(&message, ", beside ", holder);
  return WithErrorInfo(absl::ResourceExhaustedError(message),
                       {.reason = ErrorReason::kBudgetTooSmall,
                        .model = model,
                        .shortfall_bytes = shortfall_bytes,
                        .holder = std::move(holder)});
}

absl::Status ReadFailure(const UnitState& unit, uint64_t stored_offset_bytes,
                         const absl::Status& status) {
  size_t part = 0;
  while (part < unit.parts->size() &&
         (*unit.parts)[part].stored_end_bytes() <= stored_offset_bytes) {
    ++part;
  }
  const ErrorInfo info = InfoOf(unit, part, ErrorReason::kReadFailed);
  return WithErrorInfo(AddContext(status, NameOf(info)), info);
}

absl::Status PartFailure(const UnitState& unit, size_t part, const absl::Status& status) {
  const ErrorInfo info = InfoOf(
      unit, part, absl::IsDataLoss(status) ? ErrorReason::kCorruptData : ErrorReason::kInternal);
  const UnitPart& bad = (*unit.parts)[part];
  std::string what = "the tables";
  if (!bad.is_tables()) what = absl::StrCat("chunk ", bad.chunk, " at byte ", info.offset_bytes);
  return WithErrorInfo(
      absl::Status(status.code(), absl::StrCat(NameOf(info), ": ", what, " ", status.message())),
      info);
}

absl::Status SlotReadFailure(const CompressedModel& model, const Unit& unit,
                             const absl::Status& status) {
  return WithErrorInfo(
      AddContext(status, absl::StrCat("unit ", Quoted(unit.id), ", from its slot")),
      {.reason = ErrorReason::kInternal, .model = model.name(), .unit = unit.id});
}

}  // namespace ecf8
