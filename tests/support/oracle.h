// The oracle: a slow decoder that follows docs/FORMAT.md sentence by sentence, and shares no code
// with decoder/. What it says is right. Tests compare every decoder with it, on good and bad bytes.
#ifndef ECF8_TESTS_SUPPORT_ORACLE_H_
#define ECF8_TESTS_SUPPORT_ORACLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ecf8::oracle {

// The codec numbers of the format.
enum class Format { kRaw = 0, kE4M3 = 1, kE5M2 = 2 };

// A code as a list of its words: `code` in the low `length` bits.
struct Code {
  int symbol;
  int length;
  unsigned code;
};
using Table = std::vector<Code>;

// The tables of a unit; nullopt if the bytes are not 1 to 8 valid tables.
std::optional<std::vector<Table>> ParseTables(Format format, const std::vector<uint8_t>& bytes);

// All weights of a chunk; nullopt if it is not a chunk of so many weights.
std::optional<std::vector<uint8_t>> DecodeChunk(Format format, const std::vector<Table>& tables,
                                                const std::vector<uint8_t>& stored, size_t weights);

}  // namespace ecf8::oracle

#endif  // ECF8_TESTS_SUPPORT_ORACLE_H_
