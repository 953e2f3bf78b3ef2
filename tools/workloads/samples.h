// Figures of interleaved runs: the machine is noisy, so medians count, and ratios of two sides that
// ran one after the other.
#ifndef ECF8_TOOLS_WORKLOADS_SAMPLES_H_
#define ECF8_TOOLS_WORKLOADS_SAMPLES_H_

#include <string>
#include <vector>

namespace ecf8 {

// One figure a run. The functions below need at least one.
using Samples = std::vector<double>;

// The value below which `share` (0 to 1) of the samples lie, interpolated.
double Quantile(Samples samples, double share);

double Median(const Samples& samples);

// Run by run: the two sides of one run saw the same machine.
Samples Ratios(const Samples& ours, const Samples& theirs);

// "2.51 (2.12..2.60)": the median, and the least and the largest.
std::string Range(const Samples& samples);

}  // namespace ecf8

#endif  // ECF8_TOOLS_WORKLOADS_SAMPLES_H_
