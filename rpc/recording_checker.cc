#include "rpc/recording_checker.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/unit_names.h"

namespace ecf8 {
namespace {

absl::Status Wrong(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the daemon's recording is damaged: ", what));
}

}  // namespace

absl::Status RecordingChecker::Accept(const v1::RecordAccessesResponse& message) {
  ECF8_RETURN_IF_ERROR(AddModels(message));
  ECF8_RETURN_IF_ERROR(AddUnits(message));
  if (!begun_) {
    if (next_model_ < models_.size()) {
      return message.accesses().empty() ? absl::OkStatus() : Wrong("accesses before all units");
    }
    begun_ = true;
    ECF8_RETURN_IF_ERROR(sink_.Begin(models_, names_));
  }
  return AddAccesses(message);
}

absl::Status RecordingChecker::AddModels(const v1::RecordAccessesResponse& message) {
  if (std::exchange(has_models_, true)) {
    return message.models().empty() ? absl::OkStatus() : Wrong("models behind the first message");
  }
  if (message.models().empty()) return Wrong("no models");
  if (static_cast<size_t>(message.models_size()) > kMaxTraceModels) {
    return absl::InvalidArgumentError(absl::StrCat("a trace has at most ", kMaxTraceModels,
                                                   " models, and the daemon serves ",
                                                   message.models_size(), ": name some"));
  }
  size_t total = 0;
  for (const v1::RecordedModel& model : message.models()) {
    const std::optional<uint64_t> digest = ParseHex64(model.digest());
    if (!digest) return Wrong("a digest that is none");
    total += model.unit_count();
    if (model.unit_count() > kMaxTraceUnits || total > kMaxUnits) return Wrong("too many units");
    models_.push_back({.digest = *digest, .units = {}});
    names_.push_back(model.name());
    unit_counts_.push_back(model.unit_count());
  }
  return absl::OkStatus();
}

absl::Status RecordingChecker::AddUnits(const v1::RecordAccessesResponse& message) {
  const auto skip_whole = [this] {
    while (next_model_ < models_.size() &&
           models_[next_model_].units.size() == unit_counts_[next_model_]) {
      ++next_model_;
    }
  };
  skip_whole();
  for (const v1::RecordedUnit& unit : message.units()) {
    if (next_model_ == models_.size()) return Wrong("more units than announced");
    if (!IsValidUnitId(unit.id())) return Wrong("a unit's id is not valid");
    if (std::max(unit.stored_size_bytes(), unit.decoded_size_bytes()) > kMaxTraceUnitBytes) {
      return Wrong("a unit is too large");
    }
    models_[next_model_].units.push_back({.id = unit.id(),
                                          .stored_size_bytes = unit.stored_size_bytes(),
                                          .decoded_size_bytes = unit.decoded_size_bytes(),
                                          .layer = unit.layer(),
                                          .expert = unit.expert()});
    skip_whole();
  }
  return absl::OkStatus();
}

absl::Status RecordingChecker::AddAccesses(const v1::RecordAccessesResponse& message) {
  records_.clear();
  for (const v1::RecordedAccess& access : message.accesses()) {
    if (access.model() >= models_.size() || access.unit() >= models_[access.model()].units.size()) {
      return Wrong("an access to a unit that is not there");
    }
    if (!v1::RecordedAccess::Kind_IsValid(access.kind())) return Wrong("an unknown kind of access");
    records_.push_back({.time_us = access.time_us(),
                        .unit = access.unit(),
                        .model = static_cast<uint16_t>(access.model()),
                        .access = static_cast<Access>(access.kind())});
  }
  time_us_ = message.more() ? time_us_ : message.time_us();
  return sink_.Add(records_, message.lost_accesses());
}

}  // namespace ecf8
