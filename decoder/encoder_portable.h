// The encoder for any machine; written so that compilers vectorise it.
#ifndef ECF8_DECODER_ENCODER_PORTABLE_H_
#define ECF8_DECODER_ENCODER_PORTABLE_H_

#include <cstddef>
#include <cstdint>

#include "decoder/encoders.h"

namespace ecf8 {

size_t CodeGroupE4M3Portable(const EncoderTables& tables, const uint8_t* weights, LaneWords* codes);
size_t CodeGroupE5M2Portable(const EncoderTables& tables, const uint8_t* weights, LaneWords* codes);
void PackWordsPortable(PackJob* job);

}  // namespace ecf8

#endif  // ECF8_DECODER_ENCODER_PORTABLE_H_
