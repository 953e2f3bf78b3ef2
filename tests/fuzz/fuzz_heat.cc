// Any bytes as a heat file: refused, or heat that serialises to the same bytes. The checksum is
// made right first, so that the parser behind it is reached.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "loader/cache/heat_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  if (bytes.size() >= 8) {
    const size_t checked = bytes.size() - 8;
    ecf8::StoreLe64(bytes.data() + checked, ecf8::Xxh3(absl::MakeConstSpan(bytes).first(checked)));
  }
  const auto heat = ecf8::ParseHeat(bytes);
  if (!heat.ok()) return 0;
  for (const float chance : heat->chances) {
    if (!(chance >= 0 && chance <= 1)) abort();
  }
  if (ecf8::SerializeHeat(*heat) != bytes) abort();
  return 0;
}
