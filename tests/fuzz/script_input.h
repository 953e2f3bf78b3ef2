// A fuzzer's bytes as a sequence of choices. Beyond their end all choices are the first.
#ifndef ECF8_TESTS_FUZZ_SCRIPT_INPUT_H_
#define ECF8_TESTS_FUZZ_SCRIPT_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

namespace ecf8 {

class ScriptInput {
 public:
  ScriptInput(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool is_empty() const { return size_ == 0; }

  uint8_t Byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  bool Bit() { return (Byte() & 1) != 0; }
  // Below `count`, which is at most 256.
  size_t Below(size_t count) { return Byte() % count; }

  template <typename T, size_t kCount>
  const T& OneOf(const T (&choices)[kCount]) {
    return choices[Below(kCount)];
  }

  // Of up to 255 bytes.
  std::string Bytes() {
    const size_t size = std::min<size_t>(Byte(), size_);
    std::string bytes(reinterpret_cast<const char*>(data_), size);
    data_ += size;
    size_ -= size;
    return bytes;
  }

  // Small ones, and those that limits are made of.
  uint64_t Number() {
    static constexpr uint64_t kNumbers[] = {
        16,       63,       64,        1023,      1024,       1025,       65535,      1ULL << 20,
        2u << 20, 4u << 20, 20u << 20, 40u << 20, 0x7fffffff, 0xffffffff, 1ULL << 32, ~0ULL};
    const uint8_t choice = Byte();
    return choice < 240 ? choice % 12 : kNumbers[choice - 240];
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

}  // namespace ecf8

#endif  // ECF8_TESTS_FUZZ_SCRIPT_INPUT_H_
