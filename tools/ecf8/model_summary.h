// What `inspect` and `compress` say about a compressed model.
#ifndef ECF8_TOOLS_ECF8_MODEL_SUMMARY_H_
#define ECF8_TOOLS_ECF8_MODEL_SUMMARY_H_

#include <string>

#include "loader/model/compressed_model.h"
#include "nlohmann/json.hpp"

namespace ecf8 {

nlohmann::ordered_json SummaryJson(const CompressedModel& model);

// The same for people: a table.
std::string SummaryText(const CompressedModel& model);

// One entry a unit, one a tensor (with its pieces, if it has several).
nlohmann::ordered_json UnitsJson(const CompressedModel& model);
nlohmann::ordered_json TensorsJson(const CompressedModel& model);
std::string UnitsText(const CompressedModel& model);
std::string TensorsText(const CompressedModel& model);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_MODEL_SUMMARY_H_
