// Plans as people and programs read them.
#ifndef ECF8_TOOLS_ECF8_PLAN_REPORT_H_
#define ECF8_TOOLS_ECF8_PLAN_REPORT_H_

#include <string>
#include <vector>

#include "loader/planning/plan.h"
#include "nlohmann/json.hpp"

namespace ecf8 {

struct PlanReport {
  ModelShape model{};
  Hardware hardware{};
  PlanOptions options{};
  double skew = 0;
  Plan compressed{};
  Plan plain{};  // the same machine, the weights as they are
  std::vector<PlanChange> changes{};
};

std::string PlanText(const PlanReport& report);
nlohmann::ordered_json PlanJson(const PlanReport& report);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_PLAN_REPORT_H_
