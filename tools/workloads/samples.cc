#include "tools/workloads/samples.h"

#include <algorithm>
#include <cassert>
#include <cstdio>

namespace ecf8 {

double Quantile(Samples samples, double share) {
  assert(!samples.empty());
  std::sort(samples.begin(), samples.end());
  const double place = share * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, samples.size() - 1);
  return samples[below] + (place - static_cast<double>(below)) * (samples[above] - samples[below]);
}

double Median(const Samples& samples) { return Quantile(samples, 0.5); }

Samples Ratios(const Samples& ours, const Samples& theirs) {
  assert(ours.size() == theirs.size());
  Samples ratios;
  for (size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / theirs[i]);
  return ratios;
}

std::string Range(const Samples& samples) {
  const auto [low, high] = std::minmax_element(samples.begin(), samples.end());
  char text[64];
  std::snprintf(text, sizeof(text), "%.2f (%.2f..%.2f)", Median(samples), *low, *high);
  return text;
}

}  // namespace ecf8
