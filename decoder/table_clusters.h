// The clustering inside TableSearch: which groups are alike.
#ifndef ECF8_DECODER_TABLE_CLUSTERS_H_
#define ECF8_DECODER_TABLE_CLUSTERS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace ecf8 {

// A number for each exponent: of E4M3, the first 16 are used.
using ExponentCounts = std::array<uint16_t, 32>;

// Finds up to kMaxTables clusters of groups by Lloyd's algorithm (S. Lloyd, "Least squares
// quantization in PCM", IEEE Trans. Inf. Theory 28(2), 1982), where a cluster's centre is the
// distribution of its exponents and the distance of a group is the bits that its exponents would
// take in an ideal code for that distribution. (The exponents of a pair are nearly independent
// within a group: what differs between groups is the spread.) Of two clusters that save less than
// `table_bits` by being apart, one is made.
//
// `groups` says how often each exponent occurs in each group, at most kMaxGroupExponents in all.
// Returns, for each cluster, the cost of each exponent in sixteenths of a bit, at most 12 bits. All
// arithmetic is on integers, so that the result is the same on every machine.
inline constexpr uint32_t kMaxGroupExponents = 256;
std::vector<ExponentCounts> ClusterGroups(absl::Span<const ExponentCounts> groups,
                                          uint64_t table_bits);

}  // namespace ecf8

#endif  // ECF8_DECODER_TABLE_CLUSTERS_H_
