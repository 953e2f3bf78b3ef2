// Optimal prefix codes of limited length.
#ifndef ECF8_DECODER_HUFFMAN_H_
#define ECF8_DECODER_HUFFMAN_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace ecf8 {

// The code lengths, one for each of `counts`, that minimise sum(counts[i] * length[i]) under
// length <= max_length: package-merge (Larmore and Hirschberg, "A fast algorithm for optimal
// length-limited Huffman codes", J. ACM 37(3), 1990).
//
// Symbols with count 0 get length 0 (no code). Two or more symbols get lengths that form a complete
// code (Kraft sum exactly 1); a single symbol gets length 1. Equal counts: the lower symbol gets
// the code that is not longer, so that the result depends on nothing but the arguments.
//
// The sum of `counts` must stay below 2^56, and the number of nonzero ones must not exceed
// 2^max_length, with max_length in 1..16. Time O(n * max_length); 0.1 ms for 1024 symbols.
std::vector<uint8_t> LimitedCodeLengths(absl::Span<const uint64_t> counts, int max_length);

}  // namespace ecf8

#endif  // ECF8_DECODER_HUFFMAN_H_
