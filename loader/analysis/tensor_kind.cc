#include "loader/analysis/tensor_kind.h"

#include <algorithm>
#include <vector>

namespace ecf8 {
namespace {

bool IsNumber(std::string_view component) {
  return !component.empty() && std::all_of(component.begin(), component.end(),
                                           [](char c) { return c >= '0' && c <= '9'; });
}

std::vector<std::string_view> Components(std::string_view name) {
  std::vector<std::string_view> components;
  while (true) {
    const size_t dot = name.find('.');
    components.push_back(name.substr(0, dot));
    if (dot == std::string_view::npos) return components;
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

std::string TensorKind(std::string_view name, const UnitKey& key) {
  std::vector<std::string_view> components = Components(name);
  if (key.kind == UnitKey::Kind::kLayer) {
    const auto layer = std::find_if(components.begin(), components.end(), IsNumber);
    if (layer != components.end() && layer + 1 != components.end()) {
      components.erase(components.begin(), layer + 1);
    }
  }
  if (components.size() > 1 && components.back() == "weight") components.pop_back();
  std::string kind;
  for (const std::string_view component : components) {
    if (!kind.empty()) kind += '.';
    kind += IsNumber(component) ? "*" : component;
  }
  return kind;
}

}  // namespace ecf8
