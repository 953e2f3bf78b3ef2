// The word packer for x86-64 machines with AVX-512 VBMI2.
#ifndef ECF8_DECODER_WORD_PACKER_AVX512_H_
#define ECF8_DECODER_WORD_PACKER_AVX512_H_

#include "decoder/word_packer.h"

namespace ecf8 {

// Whether this machine can run the function below.
bool SupportsAvx512WordPacker();

void PackWordsAvx512(PackJob* job);

}  // namespace ecf8

#endif  // ECF8_DECODER_WORD_PACKER_AVX512_H_
