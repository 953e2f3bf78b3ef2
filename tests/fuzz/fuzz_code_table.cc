// The table parser against the oracle's, and package-merge's codes against the parser.
//
// Input: codec and mode (1 byte), then by mode
//   serialised tables;
//   counts of symbols, 2 bytes each: the table of their code must be accepted; or
//   a seed of such counts (1 byte), then places (2) and values (1) to overwrite in their table:
//   what is almost a code is seldom found otherwise.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/endian.h"
#include "decoder/huffman.h"
#include "tests/decoder/weight_samples.h"
#include "tests/support/oracle.h"

namespace ecf8 {
namespace {

std::vector<uint8_t> TableOf(Codec codec, const std::vector<uint64_t>& counts) {
  const auto table = CodeTable::FromLengths(codec, LimitedCodeLengths(counts, kMaxCodeLength));
  if (!table.ok()) std::abort();
  return TableSet(codec, {*table}).Serialize();
}

std::vector<uint8_t> TableOfCounts(Codec codec, absl::Span<const uint8_t> bytes) {
  std::vector<uint64_t> counts(SymbolCount(codec), 0);
  for (size_t i = 0; i < std::min(counts.size(), bytes.size() / 2); ++i) {
    counts[i] = LoadLe16(bytes.data() + 2 * i);
  }
  counts[0] += 1;
  return TableOf(codec, counts);
}

std::vector<uint8_t> OverwrittenTable(Codec codec, absl::Span<const uint8_t> bytes) {
  TestRandom random(bytes[0]);
  std::vector<uint64_t> counts(SymbolCount(codec), 0);
  const size_t present = 1 + random.Below(random.Below(3) == 0 ? 2 : counts.size());
  for (size_t s = 0; s < present; ++s) counts[s] = 1 + (random.Next() >> (8 + random.Below(56)));
  std::vector<uint8_t> table = TableOf(codec, counts);
  for (bytes.remove_prefix(1); bytes.size() >= 3; bytes.remove_prefix(3)) {
    table[LoadLe16(bytes.data()) % table.size()] = bytes[2];
  }
  return table;
}

}  // namespace
}  // namespace ecf8

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ecf8;  // NOLINT(google-build-using-namespace)
  if (size < 1) return 0;
  const Codec codec = (data[0] & 1) != 0 ? Codec::kE4M3 : Codec::kE5M2;
  std::vector<uint8_t> bytes(data + 1, data + size);
  const bool from_counts = (data[0] & 2) != 0 && bytes.size() >= 2;
  if (from_counts) {
    bytes = TableOfCounts(codec, bytes);
  } else if ((data[0] & 4) != 0 && !bytes.empty()) {
    bytes = OverwrittenTable(codec, bytes);
  }
  const auto parsed = TableSet::Parse(codec, bytes);
  const auto expected = oracle::ParseTables(static_cast<oracle::Format>(codec), bytes);
  if (parsed.ok() != expected.has_value() || (from_counts && !parsed.ok())) std::abort();
  if (parsed.ok() && parsed->Serialize() != bytes) std::abort();
  return 0;
}
