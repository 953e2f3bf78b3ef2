#include "decoder/decoders.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "absl/types/span.h"
#include "decoder/decoder_portable.h"
#if defined(__x86_64__)
#include "decoder/decoder_avx2.h"
#include "decoder/decoder_avx512.h"
#elif defined(__aarch64__)
#include "decoder/decoder_neon.h"
#endif

namespace ecf8 {
namespace {

bool Always() { return true; }

constexpr std::array kDecoders = {
#if defined(__x86_64__)
    DecoderImplementation{"avx512", SupportsAvx512, DecodeTilesE4M3Avx512, DecodeTilesE5M2Avx512},
    DecoderImplementation{"avx2", SupportsAvx2, DecodeTilesE4M3Avx2, DecodeTilesE5M2Avx2},
#elif defined(__aarch64__)
    DecoderImplementation{"neon", Always, DecodeTilesE4M3Neon, DecodeTilesE5M2Portable},
#endif
    DecoderImplementation{"portable", Always, DecodeTilesE4M3Portable, DecodeTilesE5M2Portable},
};

const DecoderImplementation& Select() {
  const char* wanted = std::getenv("ECF8_CPU");
  if (wanted != nullptr) {
    for (const DecoderImplementation& decoder : kDecoders) {
      if (decoder.name == wanted && decoder.supported()) return decoder;
    }
    std::fprintf(stderr, "ecf8: ECF8_CPU=%s is unknown or not supported here; ignored\n", wanted);
  }
  for (const DecoderImplementation& decoder : kDecoders) {
    if (decoder.supported()) return decoder;
  }
  return kDecoders.back();
}

}  // namespace

absl::Span<const DecoderImplementation> AllDecoders() { return kDecoders; }

const DecoderImplementation& SelectedDecoder() {
  static const DecoderImplementation& selected = Select();
  return selected;
}

}  // namespace ecf8
