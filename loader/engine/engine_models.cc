// EngineCore: models that come and go.
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/beneath.h"
#include "loader/base/strings.h"
#include "loader/engine/engine_core.h"
#include "loader/engine/unit_errors.h"
#include "loader/model/error_info.h"

namespace ecf8 {

absl::StatusOr<EngineModelFiles> OpenModelFiles(BlockReader& reader,
                                                std::shared_ptr<const CompressedModel> model) {
  EngineModelFiles opened{.model = std::move(model), .files = {}};
  for (const Shard& shard : opened.model->shards()) {
    absl::StatusOr<uint32_t> file = reader.AddFile(ReopenPath(shard.file.fd()), shard.file_name);
    if (!file.ok()) {
      CloseModelFiles(reader, opened);
      return WithErrorInfo(AddContext(file.status(), "model " + Quoted(opened.model->name())),
                           {.reason = ErrorReason::kReadFailed,
                            .model = opened.model->name(),
                            .shard = shard.file_name});
    }
    opened.files.push_back(*file);
  }
  return opened;
}

void CloseModelFiles(BlockReader& reader, const EngineModelFiles& files) {
  for (const uint32_t file : files.files) reader.RemoveFile(file);
}

uint32_t EngineCore::AddModel(EngineModelFiles model) {
  const uint32_t number = next_model_++;
  tiers_.AddModel(number, *model.model);
  AdoptKept(number, model);
  MutexLock lock(models_mutex_);
  models_.emplace(number, Model{.opened = std::move(model)});
  return number;
}

std::string EngineCore::NameOfModel(uint32_t number) const {
  MutexLock lock(models_mutex_);
  const auto found = models_.find(number);
  return found == models_.end() ? std::string() : found->second.opened.model->name();
}

absl::StatusOr<std::shared_ptr<HeldUnit>> EngineCore::MakeHold(UnitRequest request) const {
  std::shared_ptr<const CompressedModel> model;
  {
    MutexLock lock(models_mutex_);
    const auto found = models_.find(request.model);
    if (found == models_.end()) return ModelIsGone("");
    model = found->second.opened.model;
  }
  const Unit& unit = model->unit(request.unit_index);
  ECF8_RETURN_IF_ERROR(tiers_.CheckFits(*model, unit, request.form));
  auto parts = std::make_shared<const std::vector<UnitPart>>(ListUnitParts(unit));
  return std::make_shared<HeldUnit>(std::move(request), std::move(model), std::move(parts));
}

void EngineCore::RetireModel(uint32_t number) {
  {
    MutexLock lock(models_mutex_);
    models_.at(number).retired = true;
  }
  tiers_.DropPinsOf(number);
  ++pin_changes_;
  retry_ = true;
  tiers_.ForEach([&](UnitState& unit) {
    if (CacheKeyModel(unit.key) != number) return;
    unit.retired = true;
    tiers_.DropIdle(unit);
  });
}

void EngineCore::ForgetModel(uint32_t number) {
  RetireModel(number);
  leaving_.insert(number);
  FinishForgetting(number);
}

// After whatever may have been the last use of the unit, which may be gone afterwards.
void EngineCore::Settle(UnitState& unit) {
  if (!unit.retired) return tiers_.ForgetIfAbsent(unit);
  const uint32_t number = CacheKeyModel(unit.key);
  if (tiers_.DropIdle(unit)) retry_ = true;
  tiers_.ForgetIfAbsent(unit);
  FinishForgetting(number);
}

void EngineCore::FinishForgetting(uint32_t number) {
  if (!leaving_.contains(number) || tiers_.CountUnitsOf(number) > 0) return;
  leaving_.erase(number);
  tiers_.RemoveModel(number);
  EngineModelFiles opened;
  {
    MutexLock lock(models_mutex_);
    opened = std::move(models_.extract(number).mapped().opened);
  }
  parts_.on_forgotten ? parts_.on_forgotten(std::move(opened))
                      : CloseModelFiles(*parts_.reader, opened);
}

}  // namespace ecf8
