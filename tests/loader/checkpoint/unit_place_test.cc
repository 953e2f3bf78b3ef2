#include "loader/checkpoint/unit_place.h"

#include <gtest/gtest.h>

namespace ecf8 {
namespace {

void ExpectPlace(const char* id, uint32_t layer, bool expert) {
  const UnitPlace place = PlaceOfUnit(id);
  EXPECT_EQ(place.layer, layer) << id;
  EXPECT_EQ(place.expert, expert) << id;
}

TEST(PlaceOfUnit, KnowsLayersAndExperts) {
  ExpectPlace("layers.17", 17, false);
  ExpectPlace("layers.17#2", 17, false);
  ExpectPlace("layers.17.experts.203", 17, true);
  ExpectPlace("layers.17.experts.203#1", 17, true);
  ExpectPlace("vision_tower.encoder.layers.3", 3, false);
  ExpectPlace("embed", 0, false);
  ExpectPlace("embed#1", 0, false);
  ExpectPlace("head", 0, false);
  ExpectPlace("misc", 0, false);
  ExpectPlace("", 0, false);
}

}  // namespace
}  // namespace ecf8
