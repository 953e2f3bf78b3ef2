#include "loader/serve/model_set.h"

#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"
#include "loader/serve/open_models.h"

namespace ecf8 {
namespace {

absl::Status Error(absl::StatusCode code, const std::string& message, ErrorReason reason,
                   std::string_view model) {
  return WithErrorInfo(absl::Status(code, message),
                       {.reason = reason, .model = std::string(model)});
}

}  // namespace

absl::Status NotServed(std::string_view name) {
  return Error(absl::StatusCode::kNotFound, "no model " + Quoted(name), ErrorReason::kModelNotFound,
               name);
}

absl::Status CheckDigest(const CompressedModel& model, std::string_view digest) {
  if (digest == model.digest()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition,
               "model " + Quoted(model.name()) + " has the digest " + model.digest() + ", not " +
                   Quoted(digest) + ": other weights than were asked for",
               ErrorReason::kBadRequest, model.name());
}

// Of the name, and of a place among max_models.
absl::Status ModelSet::Reserve(const std::string& name, IfThere if_there) {
  if (!IsModelName(name)) {
    return Error(absl::StatusCode::kInvalidArgument, "a model cannot be named " + Quoted(name),
                 ErrorReason::kBadRequest, name);
  }
  MutexLock lock(mutex_);
  if (closed_) {
    return Error(absl::StatusCode::kUnavailable, "the daemon is being stopped",
                 ErrorReason::kShuttingDown, name);
  }
  const bool is_there = served_.contains(name);
  if (coming_.contains(name) || (is_there && if_there == IfThere::kRefuse)) {
    return Error(absl::StatusCode::kAlreadyExists, "model " + Quoted(name) + " is served already",
                 ErrorReason::kBadRequest, name);
  }
  if (served_.size() + coming_.size() >= max_models_ + (is_there ? 1 : 0)) {
    return Error(absl::StatusCode::kResourceExhausted,
                 "at most " + std::to_string(max_models_) + " models are served at once",
                 ErrorReason::kOverloaded, name);
  }
  coming_.insert(name);
  return absl::OkStatus();
}

absl::Status ModelSet::Add(std::shared_ptr<const CompressedModel> model, IfThere if_there) {
  const std::string name = model->name();
  ECF8_RETURN_IF_ERROR(Reserve(name, if_there));
  absl::StatusOr<std::shared_ptr<EngineModel>> added =
      engine_.AddModel(std::move(model), NumberOf(name));
  if (added.ok() && heat_ != nullptr) heat_->Add(*added);
  std::shared_ptr<EngineModel> replaced;
  {
    MutexLock lock(mutex_);
    coming_.erase(name);
    if (!added.ok()) return added.status();
    replaced = std::exchange(served_[name], *added);
    if (listener_) listener_(name, /*is_served=*/true);
  }
  if (replaced != nullptr) GiveUp(replaced);
  return absl::OkStatus();
}

std::optional<uint32_t> ModelSet::NumberOf(const std::string& name) const {
  MutexLock lock(mutex_);
  const auto found = served_.find(name);
  if (found == served_.end()) return std::nullopt;
  return found->second->number();
}

absl::StatusOr<ServedModel> ModelSet::Remove(std::string_view name, std::string_view digest) {
  std::shared_ptr<EngineModel> removed;
  {
    MutexLock lock(mutex_);
    const auto found = served_.find(name);
    if (found == served_.end()) return NotServed(name);
    if (!digest.empty()) ECF8_RETURN_IF_ERROR(CheckDigest(*found->second->model(), digest));
    removed = std::move(found->second);
    served_.erase(found);
    if (listener_) listener_(name, /*is_served=*/false);
  }
  GiveUp(removed);
  return ServedModel(std::move(removed));
}

void ModelSet::GiveUp(const std::shared_ptr<EngineModel>& model) {
  model->Retire();
  if (heat_ != nullptr) heat_->Remove(model);
}

void ModelSet::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
}

void ModelSet::SetListener(Listener listener) {
  MutexLock lock(mutex_);
  listener_ = std::move(listener);
  if (!listener_) return;
  for (const auto& [name, model] : served_) listener_(name, /*is_served=*/true);
}

ServedModel ModelSet::Find(std::string_view name) const {
  MutexLock lock(mutex_);
  const auto found = served_.find(name);
  return found == served_.end() ? nullptr : found->second;
}

absl::StatusOr<ServedModel> ModelSet::Get(std::string_view name) const {
  if (ServedModel model = Find(name)) return model;
  return NotServed(name);
}

std::vector<ServedModel> ModelSet::models() const {
  MutexLock lock(mutex_);
  std::vector<ServedModel> models;
  models.reserve(served_.size());
  for (const auto& [name, model] : served_) models.push_back(model);
  return models;
}

}  // namespace ecf8
