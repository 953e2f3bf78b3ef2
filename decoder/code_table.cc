#include "decoder/code_table.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "decoder/fp8.h"
#include "decoder/status_macros.h"

namespace ecf8 {
namespace {

constexpr size_t kLutAlignment = 64 / sizeof(uint16_t);
constexpr size_t kLutPadding = 2;

int SymbolShift(Codec codec) {
  return codec == Codec::kE4M3 ? Fp8Traits<Codec::kE4M3>::kSymbolShift
                               : Fp8Traits<Codec::kE5M2>::kSymbolShift;
}

}  // namespace

size_t SymbolCount(Codec codec) {
  assert(codec == Codec::kE4M3 || codec == Codec::kE5M2);
  return codec == Codec::kE4M3 ? Fp8Traits<Codec::kE4M3>::kSymbolCount
                               : Fp8Traits<Codec::kE5M2>::kSymbolCount;
}

absl::StatusOr<CodeTable> CodeTable::FromLengths(Codec codec, absl::Span<const uint8_t> lengths) {
  if (lengths.size() != SymbolCount(codec)) {
    return absl::InvalidArgumentError(absl::StrCat("code table of ", lengths.size(), " symbols"));
  }
  size_t present = 0;
  size_t kraft = 0;  // in units of 2^-kMaxCodeLength
  for (uint8_t length : lengths) {
    if (length > kMaxCodeLength) {
      return absl::InvalidArgumentError(
          absl::StrCat("code length ", int{length}, " is above ", kMaxCodeLength));
    }
    if (length == 0) continue;
    ++present;
    kraft += kLutEntries >> length;
  }
  const bool single = present == 1 && kraft == kLutEntries / 2;
  if (!single && kraft != kLutEntries) {
    return absl::InvalidArgumentError("code lengths do not form a complete code");
  }
  return CodeTable(codec, lengths, single);
}

CodeTable::CodeTable(Codec codec, absl::Span<const uint8_t> lengths, bool single)
    : codec_(codec),
      single_(single),
      lengths_(lengths.begin(), lengths.end()),
      codes_(lengths.size(), 0) {
  if (single_) return;
  uint16_t code = 0;
  for (int length = 1; length <= kMaxCodeLength; ++length) {
    code = static_cast<uint16_t>(code << 1);
    for (size_t symbol = 0; symbol < lengths_.size(); ++symbol) {
      if (lengths_[symbol] == length) codes_[symbol] = code++;
    }
  }
}

void CodeTable::FillLut(absl::Span<uint16_t> lut) const {
  assert(lut.size() == kLutEntries);
  for (size_t symbol = 0; symbol < lengths_.size(); ++symbol) {
    if (!contains(symbol)) continue;
    const int free_bits = kMaxCodeLength - bits(symbol);
    const size_t begin = size_t{codes_[symbol]} << free_bits;
    std::fill_n(lut.begin() + begin, size_t{1} << free_bits,
                static_cast<uint16_t>((symbol << SymbolShift(codec_)) | bits(symbol)));
  }
}

size_t TableSet::SerializedSize(Codec codec, size_t count) {
  return count * SymbolCount(codec) / 2;
}

absl::StatusOr<TableSet> TableSet::Parse(Codec codec, absl::Span<const uint8_t> bytes) {
  if (codec != Codec::kE4M3 && codec != Codec::kE5M2) {
    return absl::InvalidArgumentError(
        absl::StrCat("codec ", static_cast<int>(codec), " has no code tables"));
  }
  const size_t table_bytes = SerializedSize(codec, 1);
  if (bytes.empty() || bytes.size() % table_bytes != 0 || bytes.size() / table_bytes > kMaxTables) {
    return absl::InvalidArgumentError(absl::StrCat("code tables of ", bytes.size(),
                                                   " bytes, must be 1 to ", kMaxTables, " times ",
                                                   table_bytes));
  }
  std::vector<CodeTable> tables;
  std::vector<uint8_t> lengths(SymbolCount(codec));
  for (; !bytes.empty(); bytes.remove_prefix(table_bytes)) {
    for (size_t i = 0; i < table_bytes; ++i) {
      lengths[2 * i] = bytes[i] & 15;
      lengths[2 * i + 1] = bytes[i] >> 4;
    }
    ECF8_ASSIGN_OR_RETURN(CodeTable table, CodeTable::FromLengths(codec, lengths));
    tables.push_back(std::move(table));
  }
  return TableSet(codec, std::move(tables));
}

TableSet::TableSet(Codec codec, std::vector<CodeTable> tables)
    : codec_(codec), tables_(std::move(tables)) {
  assert(!tables_.empty() && tables_.size() <= kMaxTables);
  FillLuts();
  codes_.reserve(tables_.size());
  for (const CodeTable& table : tables_) codes_.emplace_back(codec_, table);
}

TableSet::TableSet(const TableSet& other) : TableSet(other.codec_, other.tables_) {}

TableSet& TableSet::operator=(const TableSet& other) {
  if (this != &other) *this = TableSet(other);
  return *this;
}

void TableSet::FillLuts() {
  luts_.assign(tables_.size() * kLutEntries + kLutAlignment + kLutPadding, 0);
  const size_t misaligned = reinterpret_cast<uintptr_t>(luts_.data()) / sizeof(uint16_t);
  lut_shift_ = (kLutAlignment - misaligned % kLutAlignment) % kLutAlignment;
  for (size_t i = 0; i < tables_.size(); ++i) {
    tables_[i].FillLut(absl::MakeSpan(luts_).subspan(lut_shift_ + i * kLutEntries, kLutEntries));
  }
}

std::vector<uint8_t> TableSet::Serialize() const {
  std::vector<uint8_t> bytes;
  bytes.reserve(SerializedSize(codec_, size()));
  for (const CodeTable& table : tables_) {
    for (size_t symbol = 0; symbol < table.lengths().size(); symbol += 2) {
      bytes.push_back(
          static_cast<uint8_t>(table.lengths()[symbol] | (table.lengths()[symbol + 1] << 4)));
    }
  }
  return bytes;
}

}  // namespace ecf8
