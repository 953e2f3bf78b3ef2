// Where in its model a unit stands, for the replacement policies.
#ifndef ECF8_LOADER_CHECKPOINT_UNIT_PLACE_H_
#define ECF8_LOADER_CHECKPOINT_UNIT_PLACE_H_

#include <cstdint>
#include <string_view>

namespace ecf8 {

struct UnitPlace {
  uint32_t layer = 0;
  bool expert = false;  // one of many, of which a pass over the model uses a few
};

// From the unit's id: "layers.17.experts.203" and its parts ("...203#1") are experts of layer 17.
UnitPlace PlaceOfUnit(std::string_view id);

}  // namespace ecf8

#endif  // ECF8_LOADER_CHECKPOINT_UNIT_PLACE_H_
