// One lane of a tile: the bits that it decodes next, and what it does at a symbol (docs/FORMAT.md,
// 6.2). A thread of a GPU is one. (The CPU's decoders keep the same state of all lanes in vectors,
// in forms that suit their shifts: docs/GPU.md.)
#ifndef ECF8_DECODER_LANE_WINDOW_H_
#define ECF8_DECODER_LANE_WINDOW_H_

#include <cstdint>

#include "decoder/device_math.h"
#include "decoder/format.h"
#include "decoder/host_device.h"

namespace ecf8 {

// The window is not shifted: it holds two whole words and how far to the right its first code has
// to go to become the offset of a look-up entry. That is less to do at a symbol than to shift the
// window, and only a lane that takes a word touches the window at all.
class LaneWindow {
 public:
  // Mask of the offset of a look-up entry, in bytes: entries have two.
  static constexpr uint32_t kOffsetMask = (kLutEntries - 1) * sizeof(uint16_t);

  // The lane's two first words.
  ECF8_HOST_DEVICE void Start(uint32_t first, uint32_t second) {
    words_ = first << 16 | second;
    shift_ = kStartShift;
  }

  // Where the table's entry for the window is, in bytes from the table's start; in bits above
  // kOffsetMask may be anything.
  ECF8_HOST_DEVICE uint32_t offset() const { return words_ >> shift_; }

  // Removes the code of a look-up entry (see CodeTable::FillLut).
  template <Codec kCodec>
  ECF8_HOST_DEVICE void Remove(uint32_t entry) {
    if constexpr (kCodec == Codec::kE4M3) {
      shift_ = SubtractLowByte(shift_, entry);  // the symbol lies above it
    } else {
      shift_ -= static_cast<int32_t>(entry & 15);
    }
  }

  // Whether 16 bits or fewer are left: then the lane takes a word before the next symbol.
  ECF8_HOST_DEVICE bool needs_word() const { return shift_ <= kStartShift - 16; }
  // `word` is below 2^16.
  ECF8_HOST_DEVICE void Take(uint32_t word) {
    words_ = words_ << 16 | word;
    shift_ += 16;
  }

 private:
  static constexpr int32_t kStartShift = 32 - kMaxCodeLength - 1;

  uint32_t words_ = 0;
  int32_t shift_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_DECODER_LANE_WINDOW_H_
