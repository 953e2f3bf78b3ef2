#include "tests/support/oracle.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ecf8::oracle {
namespace {

// Reads a number of `size` bytes, little-endian. Bytes beyond the end are zeros.
uint64_t ReadInteger(const std::vector<uint8_t>& bytes, size_t at, int size) {
  uint64_t value = 0;
  for (int i = 0; i < size; ++i) {
    const uint64_t byte = at + i < bytes.size() ? bytes[at + i] : 0;
    value |= byte << (8 * i);
  }
  return value;
}

unsigned ReadNibble(const std::vector<uint8_t>& bytes, size_t at, size_t index) {
  const unsigned byte = bytes[at + index / 2];
  return index % 2 == 0 ? byte % 16 : byte / 16;
}

size_t RoundUp(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

// Canonical: shorter codes first, among equals lower symbols first; each code is the one before it
// plus one, lengthened by zeros. nullopt unless the code is complete.
std::optional<Table> ParseTable(const std::vector<uint8_t>& bytes, size_t at, int symbols) {
  Table table;
  for (int length = 1; length <= 15; ++length) {
    for (int symbol = 0; symbol < symbols; ++symbol) {
      if (static_cast<int>(ReadNibble(bytes, at, symbol)) != length) continue;
      if (length > 12) return std::nullopt;
      unsigned code = 0;
      if (!table.empty()) code = (table.back().code + 1) << (length - table.back().length);
      if (code >= 1u << length) return std::nullopt;  // too many codes
      table.push_back({symbol, length, code});
    }
  }
  if (table.size() == 1 && table[0].length == 1) {
    table[0].length = 0;
    return table;
  }
  // Complete: the last code is all ones.
  if (table.empty() || table.back().code != (1u << table.back().length) - 1) return std::nullopt;
  return table;
}

struct Lane {
  uint32_t window = 0;
  int left = 0;
};

// Finds the code that the window starts with; removes it.
int TakeSymbol(const Table& table, Lane* lane) {
  for (const Code& code : table) {
    if (code.length == 0) return code.symbol;
    if (lane->window >> (32 - code.length) != code.code) continue;
    lane->window <<= code.length;
    lane->left -= code.length;
    return code.symbol;
  }
  return -1;  // cannot be: the code is complete
}

// The 512 weights of a group from its symbols and its sign and mantissa bytes at `raw`.
void MergeGroup(Format format, const std::vector<uint8_t>& stored, size_t raw,
                const std::array<std::array<int, 8>, 32>& symbols, std::vector<uint8_t>* weights) {
  for (size_t lane = 0; lane < 32; ++lane) {
    for (size_t i = 0; i < 16; ++i) {
      const size_t j = i % 8;
      const bool second = i >= 8;
      const int symbol = symbols[lane][j];
      unsigned weight = 0;
      if (format == Format::kE4M3) {
        const unsigned byte = stored[raw + lane * 8 + j];
        const unsigned sign = second ? (byte >> 6) & 1 : byte >> 7;
        const unsigned mantissa = second ? (byte >> 3) & 7 : byte & 7;
        const unsigned exponent = second ? symbol >> 4 : symbol & 15;
        weight = (sign << 7) | (exponent << 3) | mantissa;
      } else {
        const uint64_t fields = ReadInteger(stored, raw + lane * 6, 6);
        const unsigned field = (fields >> (3 * i)) & 7;
        const unsigned exponent = second ? symbol >> 5 : symbol & 31;
        weight = ((field >> 2) << 7) | (exponent << 2) | (field & 3);
      }
      weights->push_back(static_cast<uint8_t>(weight));
    }
  }
}

struct Sections {
  size_t tables;
  size_t words;
  size_t raw;
  size_t group_raw;
};

// The sections of a coded chunk; nullopt if it cannot have them.
std::optional<Sections> FindSections(Format format, const std::vector<uint8_t>& stored,
                                     size_t weights) {
  const size_t groups = RoundUp(weights, 512) / 512;
  const size_t tiles = RoundUp(weights, 32768) / 32768;
  Sections sections = {};
  sections.group_raw = format == Format::kE4M3 ? 256 : 192;
  sections.tables = RoundUp(4 * tiles, 16);
  sections.words = sections.tables + RoundUp(RoundUp(groups, 2) / 2, 16);
  if (stored.size() % 16 != 0 || stored.size() > weights) return std::nullopt;
  if (stored.size() < sections.words + groups * sections.group_raw) return std::nullopt;
  sections.raw = stored.size() - groups * sections.group_raw;
  return sections;
}

bool DecodeTile(Format format, const std::vector<Table>& tables, const std::vector<uint8_t>& stored,
                const Sections& sections, size_t tile, size_t groups,
                std::vector<uint8_t>* weights) {
  uint64_t next = ReadInteger(stored, tile * 4, 4);
  if (next % 2 != 0 || next < sections.words || next > sections.raw) return false;
  const auto next_word = [&] {
    next += 2;
    return static_cast<uint32_t>(ReadInteger(stored, next - 2, 2));
  };
  std::array<Lane, 32> lanes;
  for (Lane& lane : lanes) lane.window = next_word() << 16;
  for (Lane& lane : lanes) lane = {lane.window | next_word(), 32};
  for (size_t group = tile * 64; group < tile * 64 + groups; ++group) {
    const size_t number = ReadNibble(stored, sections.tables, group);
    if (number >= tables.size()) return false;
    std::array<std::array<int, 8>, 32> symbols;
    for (size_t j = 0; j < 8; ++j) {
      for (size_t l = 0; l < 32; ++l) symbols[l][j] = TakeSymbol(tables[number], &lanes[l]);
      for (Lane& lane : lanes) {
        if (lane.left > 16) continue;
        lane.window |= next_word() << (16 - lane.left);
        lane.left += 16;
      }
    }
    MergeGroup(format, stored, sections.raw + group * sections.group_raw, symbols, weights);
  }
  return true;
}

}  // namespace

std::optional<std::vector<Table>> ParseTables(Format format, const std::vector<uint8_t>& bytes) {
  if (format == Format::kRaw) return std::nullopt;
  const int symbols = format == Format::kE4M3 ? 256 : 1024;
  const size_t size = symbols / 2;
  if (bytes.empty() || bytes.size() % size != 0 || bytes.size() / size > 8) return std::nullopt;
  std::vector<Table> tables;
  for (size_t at = 0; at < bytes.size(); at += size) {
    std::optional<Table> table = ParseTable(bytes, at, symbols);
    if (!table.has_value()) return std::nullopt;
    tables.push_back(*table);
  }
  return tables;
}

std::optional<std::vector<uint8_t>> DecodeChunk(Format format, const std::vector<Table>& tables,
                                                const std::vector<uint8_t>& stored,
                                                size_t weights) {
  if (weights > 1048576) return std::nullopt;
  if (stored.size() == weights) return stored;
  if (format == Format::kRaw) return std::nullopt;
  const std::optional<Sections> sections = FindSections(format, stored, weights);
  if (!sections.has_value()) return std::nullopt;
  std::vector<uint8_t> decoded;
  size_t groups = RoundUp(weights, 512) / 512;
  for (size_t tile = 0; groups > 0; ++tile) {
    const size_t in_tile = groups < 64 ? groups : 64;
    if (!DecodeTile(format, tables, stored, *sections, tile, in_tile, &decoded)) {
      return std::nullopt;
    }
    groups -= in_tile;
  }
  decoded.resize(weights);
  return decoded;
}

}  // namespace ecf8::oracle
