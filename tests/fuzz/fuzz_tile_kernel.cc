// The CUDA kernel, in the emulator, against the oracle on arbitrary chunks: chunk_input.h says what
// the bytes are. Lanes run in an order that the input decides; whatever the emulator finds wrong is
// found.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "decoder/checksum.h"
#include "decoder/format.h"
#include "tests/emulation/emulated_decoder.h"
#include "tests/emulation/warp_emulator.h"
#include "tests/fuzz/chunk_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ecf8;             // NOLINT(google-build-using-namespace)
  using namespace ecf8::emulation;  // NOLINT(google-build-using-namespace)
  const auto input = MakeChunkInput(data, size);
  if (!input.has_value()) return 0;
  Device().schedule = Xxh3({data, size});
  EmulatedDecoder decoder;
  absl::Status status =
      decoder.Add({input->codec, input->stored, input->weights}, decoder.AddTables(*input->tables),
                  0, TileCount(input->weights));
  if (status.ok()) status = decoder.Run(/*one_block=*/(data[0] & 32) != 0);
  const bool as_expected =
      input->expected.has_value()
          ? status.ok() && decoder.output(0) == absl::MakeConstSpan(*input->expected)
          : absl::IsDataLoss(status);
  if (!as_expected) {
    std::fprintf(stderr, "fuzz_tile_kernel: %s\n", status.ToString().c_str());
    std::abort();
  }
  return 0;
}
