// The arguments of commands about what is in memory: MODEL [UNIT...] --tier.
#ifndef ECF8_TOOLS_ECF8_TIER_UNITS_H_
#define ECF8_TOOLS_ECF8_TIER_UNITS_H_

#include <string>
#include <vector>

#include "ecf8/v1/control.pb.h"
#include "nlohmann/json.hpp"
#include "tools/arguments.h"

namespace ecf8 {

class TierUnits {
 public:
  // With `every_tier`, no tier means all of them; else the host's is taken.
  explicit TierUnits(bool every_tier) : tier_(every_tier ? "all" : "host") {}

  void AddTo(Arguments arguments);

  v1::UnitsInTier ToProto() const;
  const std::string& model() const { return model_; }
  const std::string& tier() const { return tier_; }
  // "in host memory", for people.
  std::string Where() const;

 private:
  std::string model_;
  std::vector<std::string> units_;
  std::string tier_;
};

// "3 units, 12 MB".
std::string TotalsText(const v1::UnitTotals& totals);
nlohmann::ordered_json TotalsJson(const v1::UnitTotals& totals);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_TIER_UNITS_H_
