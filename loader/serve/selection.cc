#include "loader/serve/selection.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"

namespace ecf8 {

class SelectionBuilder {
 public:
  explicit SelectionBuilder(const CompressedModel& model) : model_(model) {}

  absl::Status AddUnit(std::string_view id) {
    ErrorInfo info{
        .reason = ErrorReason::kUnitNotFound, .model = model_.name(), .unit = std::string(id)};
    const std::optional<uint32_t> index = model_.FindUnit(id);
    if (!index) return Error(absl::StatusCode::kNotFound, "no unit " + Quoted(id), info);
    if (!place_by_unit_.emplace(*index, units_.size()).second) {
      info.reason = ErrorReason::kBadRequest;
      return Error(absl::StatusCode::kInvalidArgument, "unit " + Quoted(id) + " is asked for twice",
                   info);
    }
    units_.push_back({*index, true, {}});
    return absl::OkStatus();
  }

  absl::Status AddTensor(std::string_view name) {
    ErrorInfo info{.reason = ErrorReason::kTensorNotFound,
                   .model = model_.name(),
                   .tensor = std::string(name)};
    const absl::Span<const PieceRef> pieces = model_.FindTensor(name);
    if (pieces.empty())
      return Error(absl::StatusCode::kNotFound, "no tensor " + Quoted(name), info);
    info.reason = ErrorReason::kBadRequest;
    if (!tensors_.insert(name).second) {
      return Error(absl::StatusCode::kInvalidArgument,
                   "tensor " + Quoted(name) + " is asked for twice", info);
    }
    for (const PieceRef& piece : pieces) {
      const auto [place, is_new] = place_by_unit_.emplace(piece.unit_index, units_.size());
      if (is_new) units_.push_back({piece.unit_index, false, {}});
      Selection::Entry& entry = units_[place->second];
      if (entry.whole) {
        return Error(absl::StatusCode::kInvalidArgument,
                     "tensor " + Quoted(name) + " is asked for twice: its unit " +
                         Quoted(model_.unit(piece.unit_index).id) + " is selected too",
                     info);
      }
      entry.pieces.push_back(piece.piece);
    }
    return absl::OkStatus();
  }

  Selection Build(bool whole_model) {
    for (Selection::Entry& entry : units_) std::sort(entry.pieces.begin(), entry.pieces.end());
    return Selection(whole_model, model_.unit_count(), std::move(units_));
  }

 private:
  static absl::Status Error(absl::StatusCode code, const std::string& message,
                            const ErrorInfo& info) {
    return WithErrorInfo(absl::Status(code, message + " (model " + Quoted(info.model) + ")"), info);
  }

  const CompressedModel& model_;
  std::vector<Selection::Entry> units_;
  std::unordered_map<uint32_t, size_t> place_by_unit_;
  std::unordered_set<std::string_view> tensors_;
};

absl::StatusOr<Selection> Selection::Make(const CompressedModel& model,
                                          const std::vector<std::string_view>& units,
                                          const std::vector<std::string_view>& tensors) {
  if (units.size() + tensors.size() > kMaxSelectedItems) {
    return WithErrorInfo(
        absl::InvalidArgumentError("a fetch selects at most " + std::to_string(kMaxSelectedItems) +
                                   " units and tensors"),
        {.reason = ErrorReason::kBadRequest, .model = model.name()});
  }
  SelectionBuilder builder(model);
  for (const std::string_view id : units) ECF8_RETURN_IF_ERROR(builder.AddUnit(id));
  for (const std::string_view name : tensors) ECF8_RETURN_IF_ERROR(builder.AddTensor(name));
  return builder.Build(units.empty() && tensors.empty());
}

SelectedUnit Selection::Get(const CompressedModel& model, size_t i) const {
  const uint32_t unit_index = whole_model_ ? static_cast<uint32_t>(i) : units_[i].unit_index;
  SelectedUnit selected{unit_index, {}};
  if (!whole_model_ && !units_[i].whole) {
    selected.pieces = units_[i].pieces;
    return selected;
  }
  selected.pieces.resize(model.unit(unit_index).pieces.size());
  std::iota(selected.pieces.begin(), selected.pieces.end(), 0u);
  return selected;
}

}  // namespace ecf8
