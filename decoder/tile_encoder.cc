#include "decoder/tile_encoder.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/endian.h"
#include "decoder/format.h"
#include "decoder/group.h"

namespace ecf8 {
namespace {

constexpr uint32_t kWordBytes = 2;
// Two words a lane, and at most one a symbol.
constexpr size_t kMaxWordBytes = kWordBytes * (2 * kLaneCount + kTileWeights / 2);

}  // namespace

TileEncoder::TileEncoder(const TableSet& tables)
    : symbol_count_(SymbolCount(tables.codec())), lanes_(kLaneCount), words_(kMaxWordBytes) {
  codes_.resize(tables.size() * symbol_count_);
  for (size_t table = 0; table < tables.size(); ++table) {
    for (size_t symbol = 0; symbol < symbol_count_; ++symbol) {
      const CodeTable& code = tables.table(table);
      const auto count = static_cast<uint32_t>(code.contains(symbol) ? code.bits(symbol) : 0);
      const uint32_t bits = count == 0 ? 0 : uint32_t{code.code(symbol)} << (32 - count);
      codes_[table * symbol_count_ + symbol] = {bits, count};
    }
  }
}

// A decoding lane takes its word r + 2 when it has used up word r; that is when the encoding lane
// completes word r. So a lane reserves the stream's next word whenever it completes one.
uint32_t TileEncoder::EncodeGroup(const GroupSymbols& symbols, const Code* codes, uint32_t end) {
  std::array<Lane, kLaneCount> lanes;
  std::copy(lanes_.begin(), lanes_.end(), lanes.begin());
  uint8_t* words = words_.data();
  for (size_t j = 0; j < kLaneSymbols; ++j) {
    for (size_t i = 0; i < kLaneCount; ++i) {
      Lane lane = lanes[i];
      const Code code = codes[symbols[i * kLaneSymbols + j]];
      lane.bits |= code.bits >> lane.count;
      lane.count += code.count;
      // Stored at every symbol, right as soon as the word is complete: cheaper than a branch.
      StoreLe16(words + lane.current, static_cast<uint16_t>(lane.bits >> 16));
      const uint32_t complete = lane.count >> 4;
      const uint32_t mask = 0 - complete;
      lane.bits <<= complete << 4;
      lane.count &= 15;
      lane.current ^= (lane.current ^ lane.next) & mask;
      lane.next ^= (lane.next ^ end) & mask;
      end += complete * kWordBytes;
      lanes[i] = lane;
    }
  }
  std::copy(lanes.begin(), lanes.end(), lanes_.begin());
  return end;
}

void TileEncoder::Encode(absl::Span<const GroupSymbols> groups, absl::Span<const uint8_t> tables) {
  assert(!groups.empty() && groups.size() <= kTileGroups && groups.size() == tables.size());
  uint32_t end = 2 * kLaneCount * kWordBytes;
  for (uint32_t i = 0; i < kLaneCount; ++i) {
    lanes_[i] = {0, 0, i * kWordBytes, static_cast<uint32_t>(i + kLaneCount) * kWordBytes};
  }
  for (size_t group = 0; group < groups.size(); ++group) {
    end = EncodeGroup(groups[group], codes_.data() + tables[group] * symbol_count_, end);
  }
  Finish(end);
}

// Stores what lanes still hold. Words that were reserved and need no bits are zeros in mid-stream,
// and cut at the end.
void TileEncoder::Finish(uint32_t end) {
  std::array<uint32_t, 2 * kLaneCount> empty;
  size_t empty_count = 0;
  for (const Lane& lane : lanes_) {
    StoreLe16(words_.data() + lane.current, static_cast<uint16_t>(lane.bits >> 16));
    StoreLe16(words_.data() + lane.next, 0);
    if (lane.count == 0) empty[empty_count++] = lane.current;
    empty[empty_count++] = lane.next;
  }
  std::sort(empty.begin(), empty.begin() + empty_count);
  while (empty_count > 0 && empty[empty_count - 1] + kWordBytes == end) {
    end -= kWordBytes;
    --empty_count;
  }
  size_ = end;
}

}  // namespace ecf8
