#include "loader/cache/form_planner.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

namespace ecf8 {
namespace {

// One step of a unit from a form to a better one.
struct Step {
  size_t unit;
  ResidentForm from, to;
  double saved_seconds;
  uint64_t size_bytes;  // more than in the form before

  double Worth() const {
    // What takes no space comes first of all.
    if (size_bytes == 0) return std::numeric_limits<double>::infinity();
    return saved_seconds / static_cast<double>(size_bytes);
  }
};

double ReadSeconds(const FormUnit& unit, const FormCosts& costs) {
  return unit.uses * static_cast<double>(unit.stored_size_bytes) *
         costs.read_seconds_per_stored_byte;
}

Step ToDeviceStored(size_t index, const FormUnit& unit, const FormCosts& costs) {
  const double copying =
      unit.uses * static_cast<double>(unit.stored_size_bytes) * costs.copy_seconds_per_stored_byte;
  return {index, ResidentForm::kNone, ResidentForm::kDeviceStored,
          ReadSeconds(unit, costs) + copying, unit.stored_size_bytes};
}

Step ToDeviceDecoded(size_t index, const FormUnit& unit, const FormCosts& costs) {
  const double decoding = unit.uses * static_cast<double>(unit.decoded_size_bytes) *
                          costs.decode_seconds_per_decoded_byte;
  // A unit that is stored raw may be larger stored than decoded, by its padding.
  const uint64_t decoded_bytes = std::max(unit.decoded_size_bytes, unit.stored_size_bytes);
  return {index, ResidentForm::kDeviceStored, ResidentForm::kDeviceDecoded, decoding,
          decoded_bytes - unit.stored_size_bytes};
}

// Takes the steps, the worthiest first, as far as they fit.
void Take(std::vector<Step> steps, uint64_t* left_bytes, std::vector<ResidentForm>& forms) {
  std::stable_sort(steps.begin(), steps.end(),
                   [](const Step& a, const Step& b) { return a.Worth() > b.Worth(); });
  for (const Step& step : steps) {
    if (forms[step.unit] != step.from || step.size_bytes > *left_bytes) continue;
    *left_bytes -= step.size_bytes;
    forms[step.unit] = step.to;
  }
}

bool AllFit(absl::Span<const FormUnit> units, uint64_t left_bytes) {
  for (const FormUnit& unit : units) {
    if (unit.stored_size_bytes > left_bytes) return false;
    left_bytes -= unit.stored_size_bytes;
  }
  return true;
}

void PlaceOnDevice(absl::Span<const FormUnit> units, const FormCosts& costs, uint64_t device_bytes,
                   std::vector<ResidentForm>& forms) {
  std::vector<Step> to_stored, to_decoded, any;
  for (size_t i = 0; i < units.size(); ++i) {
    const Step stored = ToDeviceStored(i, units[i], costs);
    const Step decoded = ToDeviceDecoded(i, units[i], costs);
    to_stored.push_back(stored);
    to_decoded.push_back(decoded);
    if (decoded.Worth() <= stored.Worth()) {
      any.push_back(stored);
      any.push_back(decoded);
    } else {  // compressed lies below the hull: the two steps are one
      any.push_back({i, ResidentForm::kNone, ResidentForm::kDeviceDecoded,
                     stored.saved_seconds + decoded.saved_seconds,
                     stored.size_bytes + decoded.size_bytes});
    }
  }
  if (!AllFit(units, device_bytes)) {
    Take(std::move(any), &device_bytes, forms);
    return;
  }
  Take(std::move(to_stored), &device_bytes, forms);
  Take(std::move(to_decoded), &device_bytes, forms);
}

}  // namespace

std::vector<ResidentForm> PlanForms(absl::Span<const FormUnit> units, const FormCosts& costs,
                                    const FormBudgets& budgets) {
  std::vector<ResidentForm> forms(units.size(), ResidentForm::kNone);
  PlaceOnDevice(units, costs, budgets.device_bytes, forms);
  uint64_t host_bytes = budgets.host_bytes;
  std::vector<Step> to_host;
  for (size_t i = 0; i < units.size(); ++i) {
    to_host.push_back({i, ResidentForm::kNone, ResidentForm::kHostStored,
                       ReadSeconds(units[i], costs), units[i].stored_size_bytes});
  }
  Take(std::move(to_host), &host_bytes, forms);
  return forms;
}

}  // namespace ecf8
