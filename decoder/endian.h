// Little-endian loads and stores at any alignment.
#ifndef ECF8_DECODER_ENDIAN_H_
#define ECF8_DECODER_ENDIAN_H_

#include <bit>
#include <cstdint>
#include <cstring>

namespace ecf8 {

static_assert(std::endian::native == std::endian::little,
              "only little-endian machines are supported: on others these must swap bytes");

inline uint16_t LoadLe16(const uint8_t* p) {
  uint16_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}
inline uint32_t LoadLe32(const uint8_t* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}
inline uint64_t LoadLe64(const uint8_t* p) {
  uint64_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}
inline void StoreLe16(uint8_t* p, uint16_t value) { std::memcpy(p, &value, sizeof(value)); }
inline void StoreLe32(uint8_t* p, uint32_t value) { std::memcpy(p, &value, sizeof(value)); }
inline void StoreLe64(uint8_t* p, uint64_t value) { std::memcpy(p, &value, sizeof(value)); }

}  // namespace ecf8

#endif  // ECF8_DECODER_ENDIAN_H_
