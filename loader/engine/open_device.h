// Which device the engine decodes on.
#ifndef ECF8_LOADER_ENGINE_OPEN_DEVICE_H_
#define ECF8_LOADER_ENGINE_OPEN_DEVICE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/engine/device.h"

namespace ecf8 {

class CudaCalls;  // loader/cuda/cuda_calls.h

// At most so many GPUs make one device.
inline constexpr size_t kMaxCudaDevices = 16;

struct DeviceOptions {
  // "host"; "cuda:N[,N]", one GPU or several that are one device; "auto": cuda:0, or the host where
  // CUDA is not to be had.
  std::string name = "host";
  uint64_t slot_budget_bytes = 0;
  uint64_t frame_budget_bytes = 0;
  int threads = 0;            // that verify and, on the host, decode; 0: one a core
  std::vector<int> cores{};   // to pin them to
  bool touch = true;          // the memory of the host device, in the background
  CudaCalls* cuda = nullptr;  // for tests: what to call instead of CUDA; outlives the device
};

// INVALID_ARGUMENT for a name that is none of those above.
absl::Status CheckDeviceName(std::string_view name);

struct OpenedDevice {
  std::unique_ptr<Device> device;
  std::string fallback_reason;  // why "auto" took the host; empty where it did not
};

// `sink` outlives the device. FAILED_PRECONDITION where a GPU is asked for and CUDA is not to be
// had; else the errors of HostDevice and CudaDevice. "auto" fails, too, where there is a GPU that
// does not work.
absl::StatusOr<OpenedDevice> OpenDevice(const DeviceOptions& options, DeviceSink& sink);

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_OPEN_DEVICE_H_
