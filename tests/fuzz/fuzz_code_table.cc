// The table parser against the oracle's, and package-merge's codes against the parser.
//
// Input: codec and mode (1 byte), then serialised tables, or (mode bit) symbol counts of 2 bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/endian.h"
#include "decoder/huffman.h"
#include "tests/support/oracle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ecf8;  // NOLINT(google-build-using-namespace)
  if (size < 1) return 0;
  const Codec codec = (data[0] & 1) != 0 ? Codec::kE4M3 : Codec::kE5M2;
  std::vector<uint8_t> bytes(data + 1, data + size);
  const bool from_counts = (data[0] & 2) != 0 && bytes.size() >= 2;
  if (from_counts) {
    std::vector<uint64_t> counts(SymbolCount(codec), 0);
    for (size_t i = 0; i < std::min(counts.size(), bytes.size() / 2); ++i) {
      counts[i] = LoadLe16(bytes.data() + 2 * i);
    }
    counts[0] += 1;
    const auto table = CodeTable::FromLengths(codec, LimitedCodeLengths(counts, kMaxCodeLength));
    if (!table.ok()) std::abort();
    bytes = TableSet(codec, {*table}).Serialize();
  }
  const auto parsed = TableSet::Parse(codec, bytes);
  const auto expected = oracle::ParseTables(static_cast<oracle::Format>(codec), bytes);
  if (parsed.ok() != expected.has_value() || (from_counts && !parsed.ok())) std::abort();
  if (parsed.ok() && parsed->Serialize() != bytes) std::abort();
  return 0;
}
