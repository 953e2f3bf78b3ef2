#include "loader/checkpoint/unit_place.h"

#include <charconv>

namespace ecf8 {

UnitPlace PlaceOfUnit(std::string_view id) {
  UnitPlace place;
  const size_t expert = id.find(".experts.");
  place.expert = expert != std::string_view::npos;
  // The layer's number is what stands before the expert, or last: "layers.17", "layers.17#1".
  std::string_view path = id.substr(0, expert);
  path = path.substr(0, path.find('#'));
  const std::string_view number = path.substr(path.rfind('.') + 1);
  std::from_chars(number.data(), number.data() + number.size(), place.layer);
  return place;
}

}  // namespace ecf8
