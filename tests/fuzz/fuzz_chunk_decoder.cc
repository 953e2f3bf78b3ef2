// Every decoder against the oracle on arbitrary chunks: chunk_input.h says what the bytes are.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/types/span.h"
#include "decoder/chunk_decoder.h"
#include "decoder/decoders.h"
#include "tests/fuzz/chunk_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ecf8;  // NOLINT(google-build-using-namespace)
  const auto input = MakeChunkInput(data, size);
  if (!input.has_value()) return 0;
  for (const DecoderImplementation& decoder : AllDecoders()) {
    if (!decoder.supported()) continue;
    std::vector<uint8_t> out(input->weights);
    const bool ok =
        DecodeTilesWith(decoder, {input->codec, input->stored, input->weights}, input->tables, 0,
                        TileCount(input->weights), absl::MakeSpan(out))
            .ok();
    if (ok != input->expected.has_value() || (ok && out != *input->expected)) std::abort();
  }
  return 0;
}
