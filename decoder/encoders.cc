#include "decoder/encoders.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/decoders.h"
#include "decoder/encoder_portable.h"
#include "decoder/format.h"
#include "decoder/symbol_set.h"
#if defined(__x86_64__)
#include "decoder/decoder_avx2.h"
#include "decoder/decoder_avx512.h"
#include "decoder/encoder_avx2.h"
#include "decoder/encoder_avx512.h"
#endif

namespace ecf8 {
namespace {

bool Always() { return true; }

constexpr std::array kEncoders = {
#if defined(__x86_64__)
    EncoderImplementation{"avx512", SupportsAvx512, LacksSymbolAvx2, CodeGroupE4M3Avx512,
                          CodeGroupE5M2Portable, PackWordsAvx512},
    EncoderImplementation{"avx2", SupportsAvx2, LacksSymbolAvx2, CodeGroupE4M3Portable,
                          CodeGroupE5M2Portable, PackWordsAvx2},
#endif
    EncoderImplementation{"portable", Always, LacksSymbol<uint8_t>, CodeGroupE4M3Portable,
                          CodeGroupE5M2Portable, PackWordsPortable},
};

const EncoderImplementation& Select() {
  for (const EncoderImplementation& encoder : kEncoders) {
    if (encoder.name == SelectedDecoder().name) return encoder;
  }
  return kEncoders.back();
}

}  // namespace

EncoderTables::EncoderTables(const TableSet& tables)
    : codec(tables.codec()), size(tables.size()), costs(SymbolCount(codec)) {
  for (size_t i = 0; i < size; ++i) {
    const CodeTable& table = tables.table(i);
    costs.SetTable(i, table);
    for (size_t symbol = 0; symbol < SymbolCount(codec); ++symbol) {
      const int bits = table.contains(symbol) ? table.bits(symbol) : 0;
      codes.push_back(
          static_cast<uint16_t>(bits == 0 ? 0 : table.code(symbol) << (16 - bits) | bits));
    }
  }
  if (codec == Codec::kE4M3) SetBytes(tables);
}

void EncoderTables::SetBytes(const TableSet& tables) {
  for (LengthPairs& pair : length_pairs) pair.of.fill(kAbsentLength << 4 | kAbsentLength);
  code_bytes.resize(size);
  for (size_t i = 0; i < size; ++i) {
    Bytes& lengths = length_pairs[i / 2].of;
    for (size_t symbol = 0; symbol < lengths.size(); ++symbol) {
      uint16_t code = codes[i * lengths.size() + symbol];
      if (!tables.table(i).contains(symbol)) code = kAbsentLength;
      code_bytes[i].low[symbol] = static_cast<uint8_t>(code);
      code_bytes[i].high[symbol] = static_cast<uint8_t>(code >> 8);
      const int length = code & 15;
      lengths[symbol] = static_cast<uint8_t>(i % 2 == 0 ? (lengths[symbol] & 0xF0) | length
                                                        : (lengths[symbol] & 0x0F) | length << 4);
    }
  }
}

absl::Span<const EncoderImplementation> AllEncoders() { return kEncoders; }

const EncoderImplementation& SelectedEncoder() {
  static const EncoderImplementation& selected = Select();
  return selected;
}

}  // namespace ecf8
