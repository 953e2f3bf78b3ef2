// Which units of a model, and which tensors of them, a fetch wants.
#ifndef ECF8_LOADER_SERVE_SELECTION_H_
#define ECF8_LOADER_SERVE_SELECTION_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

// Units and tensors of one selection, together.
inline constexpr size_t kMaxSelectedItems = 16384;

// One unit and its wanted pieces, by their place in the unit's layout, ascending.
struct SelectedUnit {
  uint32_t unit_index = 0;
  std::vector<uint32_t> pieces;
};

// Immutable. Holds no more than was asked for: the whole model costs nothing.
class Selection {
 public:
  // The units in the order given, then those of the tensors in the order in which they are first
  // met; with neither, every unit in walk order. NOT_FOUND for an unknown unit or tensor,
  // INVALID_ARGUMENT for more than kMaxSelectedItems of them or for one that is asked for twice
  // (also a tensor of a unit that is). Every error carries an ErrorInfo, and its message holds no
  // path.
  static absl::StatusOr<Selection> Make(const CompressedModel& model,
                                        const std::vector<std::string_view>& units,
                                        const std::vector<std::string_view>& tensors);

  size_t unit_count() const { return whole_model_ ? model_unit_count_ : units_.size(); }

  // Unit `i` of the selection, as units of `model`, which must be the one that it was made for.
  SelectedUnit Get(const CompressedModel& model, size_t i) const;

 private:
  struct Entry {
    uint32_t unit_index = 0;
    bool whole = false;
    std::vector<uint32_t> pieces;  // where not whole
  };

  Selection(bool whole_model, uint32_t model_unit_count, std::vector<Entry> units)
      : whole_model_(whole_model), model_unit_count_(model_unit_count), units_(std::move(units)) {}

  friend class SelectionBuilder;

  bool whole_model_;
  uint32_t model_unit_count_;
  std::vector<Entry> units_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_SELECTION_H_
