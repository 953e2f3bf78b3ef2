#include "decoder/encoders.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/decoders.h"
#include "decoder/encoder_portable.h"
#include "decoder/format.h"
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
    EncoderImplementation{"avx512", SupportsAvx512, CodeGroupE4M3Avx512, CodeGroupE5M2Portable,
                          PackWordsAvx512},
    EncoderImplementation{"avx2", SupportsAvx2, CodeGroupE4M3Portable, CodeGroupE5M2Portable,
                          PackWordsAvx2},
#endif
    EncoderImplementation{"portable", Always, CodeGroupE4M3Portable, CodeGroupE5M2Portable,
                          PackWordsPortable},
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
    Bytes table_bytes;
    for (size_t symbol = 0; symbol < SymbolCount(codec); ++symbol) {
      const int bits = table.contains(symbol) ? table.bits(symbol) : 0;
      const auto code =
          static_cast<uint16_t>(bits == 0 ? 0 : table.code(symbol) << (16 - bits) | bits);
      codes.push_back(code);
      if (codec != Codec::kE4M3) continue;
      table_bytes.lengths[symbol] =
          table.contains(symbol) ? static_cast<uint8_t>(bits) : kAbsentLength;
      table_bytes.codes_low[symbol] = static_cast<uint8_t>(code);
      table_bytes.codes_high[symbol] = static_cast<uint8_t>(code >> 8);
    }
    if (codec == Codec::kE4M3) bytes.push_back(table_bytes);
  }
}

absl::Span<const EncoderImplementation> AllEncoders() { return kEncoders; }

const EncoderImplementation& SelectedEncoder() {
  static const EncoderImplementation& selected = Select();
  return selected;
}

}  // namespace ecf8
