#include "decoder/symbol_set.h"

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace ecf8 {

SymbolSet::SymbolSet(absl::Span<const uint64_t> counts) : lacking(counts.size()) {
  for (size_t symbol = 0; symbol < counts.size(); ++symbol) {
    lacking[symbol] = counts[symbol] == 0 ? 1 : 0;
    const size_t high = symbol / 16;
    if (high >= 16) continue;
    uint8_t& row = lacking_rows[symbol % 16 + 16 * (high / 8)];
    row = static_cast<uint8_t>(row | lacking[symbol] << (high % 8));
  }
}

}  // namespace ecf8
