// The encoder for x86-64 machines with AVX2.
#ifndef ECF8_DECODER_ENCODER_AVX2_H_
#define ECF8_DECODER_ENCODER_AVX2_H_

#include "decoder/encoders.h"

namespace ecf8 {

// Where SupportsAvx2() of decoder_avx2.h says so.
bool LacksSymbolAvx2(const SymbolSet& set, const uint8_t* symbols);
void PackWordsAvx2(PackJob* job);

}  // namespace ecf8

#endif  // ECF8_DECODER_ENCODER_AVX2_H_
