// Any bytes as a manifest: refused, or a manifest that the rest of the loader may trust. The
// checksum is made right first, so that the parser behind it is reached.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "google/protobuf/stubs/logging.h"
#include "loader/model/manifest.h"
#include "loader/model/original.h"
#include "loader/model/shard_layout.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  std::vector<uint8_t> bytes(data, data + size);
  if (bytes.size() >= 32) {
    ecf8::StoreLe64(bytes.data() + 16, bytes.size() - 32);
    const size_t checked = bytes.size() - 8;
    ecf8::StoreLe64(bytes.data() + checked, ecf8::Xxh3(absl::MakeConstSpan(bytes).first(checked)));
  }
  const auto manifest = ecf8::ParseManifest(bytes);
  if (!manifest.ok()) return 0;
  uint64_t end = 4096;
  for (const ecf8::Unit& unit : manifest->units) {
    uint64_t decoded = 0;
    for (const ecf8::Piece& piece : unit.pieces) {
      decoded += piece.decoded_size_bytes;
      if (piece.decoded_offset_bytes + piece.decoded_size_bytes > unit.decoded_size_bytes) abort();
      if (piece.stored_offset_bytes + piece.stored_size_bytes > unit.stored_size_bytes) abort();
    }
    if (decoded > ecf8::kMaxUnitDecodedBytes) abort();
    end = unit.offset_bytes + unit.stored_size_bytes;
  }
  ecf8::ShardCover(manifest->units, 0, end, 32);
  if (manifest->directory) {
    for (const ecf8::Original& original : manifest->directory->originals) {
      (void)ecf8::InflateOriginal(original);
    }
  }
  const auto again = ecf8::SerializeManifest(*manifest);
  if (!again.ok()) abort();
  const auto parsed =
      ecf8::ParseManifest({reinterpret_cast<const uint8_t*>(again->data()), again->size()});
  if (!parsed.ok()) abort();
  return 0;
}
