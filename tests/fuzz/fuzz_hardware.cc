// Any bytes as a machine: refused, or one that is written and read the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "loader/planning/hardware.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto hardware = ecf8::ParseHardware({reinterpret_cast<const char*>(data), size});
  if (!hardware.ok()) return 0;
  const std::string written = ecf8::HardwareJson(*hardware);
  const auto again = ecf8::ParseHardware(written);
  if (!again.ok() || ecf8::HardwareJson(*again) != written) abort();
  return 0;
}
