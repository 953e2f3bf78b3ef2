// Safetensors files made by hand, independent of the code under test.
#ifndef ECF8_TESTS_SUPPORT_SAFETENSORS_BYTES_H_
#define ECF8_TESTS_SUPPORT_SAFETENSORS_BYTES_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace ecf8::testing {

// The 8 bytes of length, `json`, `data`.
inline std::string SafetensorsBytes(std::string_view json, std::string_view data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) {
    bytes += static_cast<char>(static_cast<uint64_t>(json.size()) >> (8 * i) & 0xFF);
  }
  bytes += json;
  bytes += data;
  return bytes;
}

// One U8 tensor of one dimension that holds `data`. `name` needs no escapes.
inline std::string OneTensorFile(std::string_view name, std::string_view data) {
  const std::string size = std::to_string(data.size());
  return SafetensorsBytes("{\"" + std::string(name) + "\":{\"dtype\":\"U8\",\"shape\":[" + size +
                              "],\"data_offsets\":[0," + size + "]}}",
                          data);
}

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_SAFETENSORS_BYTES_H_
