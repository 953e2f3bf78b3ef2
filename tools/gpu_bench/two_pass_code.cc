#include "tools/gpu_bench/two_pass_code.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "decoder/huffman.h"

namespace ecf8 {
namespace {

constexpr size_t kExponents = 16;
constexpr size_t kTableEntries = 256;
constexpr uint64_t kWindowBits = kTwoPassWindowBytes * 8;

size_t ExponentOf(uint8_t weight) { return weight >> 3 & 15; }

// A canonical code, its words at the top of 16 bits.
struct Code {
  std::array<uint8_t, kExponents> lengths{};
  std::array<uint16_t, kExponents> words{};
};

Code CodeFor(absl::Span<const uint8_t> weights) {
  std::array<uint64_t, kExponents> counts{};
  for (const uint8_t weight : weights) ++counts[ExponentOf(weight)];
  const std::vector<uint8_t> lengths = LimitedCodeLengths(counts, kTwoPassMaxCodeLength);
  Code code;
  std::copy(lengths.begin(), lengths.end(), code.lengths.begin());
  uint32_t next = 0;
  for (int length = 1; length <= kTwoPassMaxCodeLength; ++length) {
    for (size_t symbol = 0; symbol < kExponents; ++symbol) {
      if (code.lengths[symbol] != length) continue;
      code.words[symbol] = static_cast<uint16_t>(next);
      next += 1u << (kTwoPassMaxCodeLength - length);
    }
  }
  return code;
}

// The table for the first 8 bits, and one for each 8 bits with which longer words begin. No word is
// longer than two tables.
std::vector<uint8_t> Luts(const Code& code) {
  std::vector<uint8_t> luts(kTableEntries);
  for (size_t symbol = 0; symbol < kExponents; ++symbol) {
    const int length = code.lengths[symbol];
    if (length == 0) continue;
    const size_t top = code.words[symbol] >> 8;
    size_t table = 0;
    size_t begin = top;
    int left = length;
    if (length > 8) {
      if (luts[top] < kTwoPassNextTable) {
        luts[top] = static_cast<uint8_t>(kTwoPassNextTable + luts.size() / kTableEntries);
        luts.resize(luts.size() + kTableEntries);
      }
      table = luts[top] - kTwoPassNextTable;
      begin = code.words[symbol] & 0xFF;
      left = length - 8;
    }
    const auto first = luts.begin() + static_cast<ptrdiff_t>(table * kTableEntries + begin);
    std::fill_n(first, size_t{1} << (8 - left), static_cast<uint8_t>(symbol));
  }
  luts.insert(luts.end(), code.lengths.begin(), code.lengths.end());
  return luts;
}

void PutNibble(uint64_t number, uint32_t value, std::vector<uint8_t>* nibbles) {
  (*nibbles)[number / 2] |= static_cast<uint8_t>(value << (number % 2 * 4));
}

}  // namespace

uint32_t TwoPassCode::max_block_weights() const {
  uint64_t most = 0;
  for (size_t i = 0; i < block_count(); ++i) most = std::max(most, first[i + 1] - first[i]);
  return static_cast<uint32_t>(most);
}

size_t TwoPassCode::stored_bytes() const {
  return words.size() + gaps.size() + raw.size() + first.size() * sizeof(uint64_t) + luts.size();
}

TwoPassCode EncodeTwoPass(absl::Span<const uint8_t> weights) {
  const Code code = CodeFor(weights);
  uint64_t bits = 0;
  for (const uint8_t weight : weights) bits += code.lengths[ExponentOf(weight)];
  const uint64_t blocks = (bits + kTwoPassBlockBytes * 8 - 1) / (kTwoPassBlockBytes * 8);
  TwoPassCode out;
  out.weights = weights.size();
  out.words.resize(blocks * kTwoPassBlockBytes + 2);  // the last word is put in as three bytes
  out.gaps.resize(blocks * kTwoPassThreads / 2);
  out.raw.resize((weights.size() + 7) / 8 * 4);
  // A block in which no word begins has no weights.
  out.first.assign(blocks + 1, weights.size());
  out.luts = Luts(code);
  uint64_t at = 0;
  uint64_t windows = 0;  // in which a word has begun, or has to
  for (uint64_t i = 0; i < weights.size(); ++i) {
    const size_t symbol = ExponentOf(weights[i]);
    if (at / kWindowBits >= windows) {
      const uint64_t window = at / kWindowBits;
      PutNibble(window, static_cast<uint32_t>(at % kWindowBits), &out.gaps);
      if (window % kTwoPassThreads == 0) out.first[window / kTwoPassThreads] = i;
      windows = window + 1;
    }
    const uint32_t shifted = uint32_t{code.words[symbol]} << (8 - at % 8);
    for (size_t byte = 0; byte < 3; ++byte) {
      out.words[at / 8 + byte] |= static_cast<uint8_t>(shifted >> (16 - 8 * byte));
    }
    at += code.lengths[symbol];
    PutNibble(i, (weights[i] >> 7 << 3) | (weights[i] & 7), &out.raw);
  }
  out.words.resize(blocks * kTwoPassBlockBytes);
  return out;
}

}  // namespace ecf8
