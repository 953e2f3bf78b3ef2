// A set of symbols, and the question whether it has all symbols of a group.
#ifndef ECF8_DECODER_SYMBOL_SET_H_
#define ECF8_DECODER_SYMBOL_SET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/format.h"

namespace ecf8 {

// What is not in the set is marked, since that is what is looked for.
struct SymbolSet {
  // The symbols whose count is not zero; one count for each symbol of the codec.
  explicit SymbolSet(absl::Span<const uint64_t> counts);

  std::vector<uint8_t> lacking;  // 1 for a symbol that is not in the set, else 0
  // The same of the first 256 symbols, for vectors of bytes: bit h % 8 of byte l + 16 * (h / 8) is
  // that of symbol l + 16 * h.
  std::array<uint8_t, 32> lacking_rows{};
};

// Whether `set` lacks one of a group's kGroupSymbols symbols (uint8_t or uint16_t).
template <typename Symbol>
bool LacksSymbol(const SymbolSet& set, const Symbol* symbols) {
  const uint8_t* const lacking = set.lacking.data();
  uint8_t even = 0;
  uint8_t odd = 0;
  for (size_t i = 0; i < kGroupSymbols; i += 2) {
    even |= lacking[symbols[i]];
    odd |= lacking[symbols[i + 1]];
  }
  return (even | odd) != 0;
}

}  // namespace ecf8

#endif  // ECF8_DECODER_SYMBOL_SET_H_
