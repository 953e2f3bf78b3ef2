// The decode step of one lane, written once: the portable decoder and CUDA kernels share it.
// A lane sees its codes through a 32-bit window that is never left with 16 bits or fewer after a
// refill, so that a code of up to 12 bits and then one word always fit.
#ifndef ECF8_DECODER_LOCKSTEP_H_
#define ECF8_DECODER_LOCKSTEP_H_

#include <cstdint>

#include "decoder/format.h"
#include "decoder/host_device.h"

namespace ecf8 {

struct LaneWindow {
  uint32_t bits;  // unread bits, the next one first (MSB)
  int32_t left;   // how many of them are real, 5 to 32
};

inline constexpr int kWordBits = 16;

// The window at a tile's start: the lane's word of the first 32, then its word of the second 32.
ECF8_HOST_DEVICE constexpr LaneWindow StartWindow(uint16_t first, uint16_t second) {
  return {(uint32_t{first} << kWordBits) | second, 2 * kWordBits};
}

// Takes one symbol out of the window and returns its look-up entry (see CodeTable::FillLut).
ECF8_HOST_DEVICE inline uint32_t TakeSymbol(LaneWindow& window, const uint16_t* lut) {
  const uint32_t entry = lut[window.bits >> (32 - kMaxCodeLength)];
  // Bits 4 and 5 of an entry are zero, so this is the length; machines mask shifts for nothing.
  window.bits <<= entry & 31;
  window.left -= static_cast<int32_t>(entry & 15);
  return entry;
}

// 1 if the lane takes the next word of the shared stream, else 0: 16 bits or fewer are left. Lanes
// take words in lane order. A number, as a third of the answers are 1, in no order: nobody
// branches.
ECF8_HOST_DEVICE constexpr uint32_t NeedsWord(const LaneWindow& window) {
  return static_cast<uint32_t>(window.left - (kWordBits + 1)) >> 31;
}

// Appends `word` if `need`, which is NeedsWord of the window, is 1; else leaves the window alone.
ECF8_HOST_DEVICE constexpr void Refill(LaneWindow& window, uint32_t word, uint32_t need) {
  window.bits |= (word & (0 - need)) << ((kWordBits - window.left) & 31);
  window.left += static_cast<int32_t>(need) * kWordBits;
}

}  // namespace ecf8

#endif  // ECF8_DECODER_LOCKSTEP_H_
