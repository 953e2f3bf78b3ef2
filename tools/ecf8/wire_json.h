// What the daemon describes, as JSON. Checksums are 16 hex digits: JSON's numbers are doubles.
#ifndef ECF8_TOOLS_ECF8_WIRE_JSON_H_
#define ECF8_TOOLS_ECF8_WIRE_JSON_H_

#include "ecf8/v1/status.pb.h"
#include "ecf8/v1/weights.pb.h"
#include "nlohmann/json.hpp"

namespace ecf8 {

nlohmann::ordered_json ToJson(const v1::Model& model);

// With chunks and table sets where the unit has them.
nlohmann::ordered_json ToJson(const v1::Unit& unit);

nlohmann::ordered_json ToJson(const v1::GetStatusResponse& status);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_WIRE_JSON_H_
