// Gives decoders a stretch of the word stream that they may read without looking at the end.
#ifndef ECF8_DECODER_WORD_READER_H_
#define ECF8_DECODER_WORD_READER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "decoder/format.h"

namespace ecf8 {

// Not copyable: position() may point into the object.
class WordReader {
 public:
  // Bytes that are readable at position() after Prepare(): the words that a group takes at most
  // (one a symbol), or the 64 of a tile's start, and one 64-byte vector more.
  static constexpr size_t kReadable = kGroupSymbols * 2 + 64;

  WordReader() = default;
  WordReader(const WordReader&) = delete;
  WordReader& operator=(const WordReader&) = delete;

  void Start(const uint8_t* words, const uint8_t* end) {
    position_ = words;
    end_ = end;
  }
  // Call before the tile's first words are read and before every group.
  void Prepare() {
    if (static_cast<size_t>(end_ - position_) < kReadable) MoveToTail();
  }
  const uint8_t* position() const { return position_; }
  // `position` lies at most kReadable - 64 bytes behind position().
  void set_position(const uint8_t* position) { position_ = position; }

 private:
  // Near the chunk's end, or beyond it in a damaged stream: go on in a copy followed by zeros.
  void MoveToTail() {
    std::array<uint8_t, 2 * kReadable> moved{};
    std::memcpy(moved.data(), position_, static_cast<size_t>(end_ - position_));
    tail_ = moved;
    position_ = tail_.data();
    end_ = tail_.data() + tail_.size();
  }

  const uint8_t* position_ = nullptr;
  const uint8_t* end_ = nullptr;
  std::array<uint8_t, 2 * kReadable> tail_;
};

}  // namespace ecf8

#endif  // ECF8_DECODER_WORD_READER_H_
