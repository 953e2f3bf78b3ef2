#include "loader/engine/open_device.h"

#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/cuda/cuda_calls.h"
#include "loader/cuda/cuda_device.h"
#include "loader/engine/host_device.h"

namespace ecf8 {
namespace {

constexpr std::string_view kHost = "host";
constexpr std::string_view kAuto = "auto";
constexpr std::string_view kCudaPrefix = "cuda:";

// "cuda:0,1"; nullopt where it is none.
std::optional<std::vector<int>> ParseCudaName(std::string_view name) {
  if (name.substr(0, kCudaPrefix.size()) != kCudaPrefix) return std::nullopt;
  name.remove_prefix(kCudaPrefix.size());
  std::vector<int> devices;
  while (devices.size() < kMaxCudaDevices) {
    int device = -1;
    const char* const end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data(), end, device);
    if (error != std::errc() || device < 0) return std::nullopt;
    devices.push_back(device);
    if (rest == end) return devices;
    if (*rest != ',') return std::nullopt;
    name.remove_prefix(static_cast<size_t>(rest + 1 - name.data()));
  }
  return std::nullopt;
}

absl::StatusOr<std::unique_ptr<Device>> OpenHost(const DeviceOptions& options, DeviceSink& sink) {
  return HostDevice::Create({.slot_budget_bytes = options.slot_budget_bytes,
                             .frame_budget_bytes = options.frame_budget_bytes,
                             .threads = options.threads,
                             .cores = options.cores,
                             .touch = options.touch},
                            sink);
}

}  // namespace

absl::Status CheckDeviceName(std::string_view name) {
  if (name == kHost || name == kAuto || ParseCudaName(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(Quoted(name), " is no device such as host, cuda:0, cuda:0,1 or auto"));
}

absl::StatusOr<OpenedDevice> OpenDevice(const DeviceOptions& options, DeviceSink& sink) {
  ECF8_RETURN_IF_ERROR(CheckDeviceName(options.name));
  OpenedDevice opened;
  if (options.name == kHost) {
    ECF8_ASSIGN_OR_RETURN(opened.device, OpenHost(options, sink));
    return opened;
  }
  const absl::StatusOr<CudaCalls*> cuda =
      options.cuda != nullptr ? absl::StatusOr<CudaCalls*>(options.cuda) : RealCuda();
  if (!cuda.ok() && options.name == kAuto) {
    opened.fallback_reason = std::string(cuda.status().message());
    ECF8_ASSIGN_OR_RETURN(opened.device, OpenHost(options, sink));
    return opened;
  }
  if (!cuda.ok()) return AddContext(cuda.status(), "cannot use " + options.name);
  CudaDeviceOptions cuda_options{.slot_budget_bytes = options.slot_budget_bytes,
                                 .frame_budget_bytes = options.frame_budget_bytes,
                                 .threads = options.threads,
                                 .cores = options.cores};
  if (options.name != kAuto) cuda_options.devices = *ParseCudaName(options.name);
  auto device = CudaDevice::Create(cuda_options, **cuda, sink);
  if (!device.ok()) return AddContext(device.status(), "cannot use " + options.name);
  opened.device = *std::move(device);
  return opened;
}

}  // namespace ecf8
