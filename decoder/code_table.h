// Canonical Huffman codes of pairs of exponents, and the set of them that a unit stores.
#ifndef ECF8_DECODER_CODE_TABLE_H_
#define ECF8_DECODER_CODE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "decoder/canonical_code.h"
#include "decoder/format.h"

namespace ecf8 {

// Symbols of a coded codec: 256 for E4M3, 1024 for E5M2. `codec` must not be kRaw.
size_t SymbolCount(Codec codec);

// One complete canonical code: codes are assigned in order of (length, symbol), MSB first.
// Immutable and thread-safe.
class CodeTable {
 public:
  // `lengths` holds SymbolCount(codec) lengths, 0 for an absent symbol. They must be at most
  // kMaxCodeLength and form a complete code (Kraft sum exactly 1), or name exactly one symbol with
  // length 1: that symbol's code is empty. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<CodeTable> FromLengths(Codec codec, absl::Span<const uint8_t> lengths);

  // The lengths as FromLengths took them: 0 for an absent symbol, 1 for the only symbol.
  absl::Span<const uint8_t> lengths() const { return lengths_; }
  bool contains(size_t symbol) const { return lengths_[symbol] != 0; }
  // Bits that a present symbol takes in the stream: 0 if it is the only one.
  int bits(size_t symbol) const { return single_ ? 0 : lengths_[symbol]; }
  // The code of a present symbol, in the low bits(symbol) bits.
  uint16_t code(size_t symbol) const { return codes_[symbol]; }

  // Writes the look-up table of kLutEntries entries: at index i, the symbol whose code starts the
  // 12 bits of i, in the top bits of the entry (symbol << 8 for E4M3, symbol << 6 for E5M2: see
  // Fp8Traits::kSymbolShift), and the bits it takes in the low 4.
  void FillLut(absl::Span<uint16_t> lut) const;

 private:
  CodeTable(Codec codec, absl::Span<const uint8_t> lengths, bool single);

  Codec codec_;
  bool single_;
  std::vector<uint8_t> lengths_;
  std::vector<uint16_t> codes_;
};

// The code tables of one codec in a unit, with everything a decoder looks up. Immutable and
// thread-safe; copies share nothing (8 tables are 64 KiB).
class TableSet {
 public:
  // Bytes of `count` serialised tables: 128 each for E4M3, 512 for E5M2.
  static size_t SerializedSize(Codec codec, size_t count);

  // Reads what Serialize wrote. `codec` comes from the manifest, the number of tables from the
  // size, 1 to kMaxTables. INVALID_ARGUMENT on any other size, kRaw, or lengths that are not a
  // complete code. Never reads outside `bytes`.
  static absl::StatusOr<TableSet> Parse(Codec codec, absl::Span<const uint8_t> bytes);

  // `tables` holds 1 to kMaxTables tables of `codec`.
  TableSet(Codec codec, std::vector<CodeTable> tables);

  // Two 4-bit code lengths a byte, the lower symbol in the low nibble, table after table.
  std::vector<uint8_t> Serialize() const;

  Codec codec() const { return codec_; }
  size_t size() const { return tables_.size(); }
  const CodeTable& table(size_t index) const { return tables_[index]; }

  // The look-up tables, kLutEntries entries each, table i at i * kLutEntries, on a 64-byte
  // boundary, followed by 2 readable entries so that a 32-bit gather of the last entry stays in
  // bounds.
  const uint16_t* luts() const { return luts_.data() + lut_shift_; }

  // The same codes for SIMD decoders: size() of them.
  const CanonicalCode* codes() const { return codes_.data(); }

  TableSet(const TableSet& other);
  TableSet& operator=(const TableSet& other);
  TableSet(TableSet&&) noexcept = default;
  TableSet& operator=(TableSet&&) noexcept = default;
  ~TableSet() = default;

 private:
  void FillLuts();

  Codec codec_;
  std::vector<CodeTable> tables_;
  std::vector<uint16_t> luts_;
  std::vector<CanonicalCode> codes_;
  size_t lut_shift_ = 0;  // entries before the first 64-byte boundary in luts_
};

}  // namespace ecf8

#endif  // ECF8_DECODER_CODE_TABLE_H_
