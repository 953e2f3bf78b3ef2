#include "loader/planning/hardware.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "nlohmann/json.hpp"

namespace ecf8 {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kGiga = 1'000'000'000;
constexpr double kMaxRate = 1e18;
constexpr uint64_t kMaxBytes = uint64_t{1} << 60;

struct RateField {
  const char* name;
  double Hardware::*value;
  bool may_be_zero;
};
constexpr std::array<RateField, 5> kRates = {
    {{"device_rate", &Hardware::device_rate, false},
     {"decode_rate", &Hardware::decode_rate, false},
     {"compute_rate", &Hardware::compute_rate, false},
     {"host_to_device_rate", &Hardware::host_to_device_rate, true},
     {"disk_rate", &Hardware::disk_rate, false}}};
struct SizeField {
  const char* name;
  uint64_t Hardware::*value;
};
constexpr std::array<SizeField, 2> kSizes = {
    {{"device_memory_bytes", &Hardware::device_memory_bytes},
     {"host_memory_bytes", &Hardware::host_memory_bytes}}};

// Of a GPU that is not the one measured: its memory's share of the H100's rate, where that binds.
constexpr double kH100Memory = 3.0e12;
constexpr double kH100Decode = 1.06e12;
// Of the memory that is there, for weights and their cache: of a GPU less this for activations, the
// framework and staging, of a host this share.
constexpr uint64_t kGpuReserveGb = 3;
constexpr uint64_t kHostTenths = 9;

Hardware Gpu(std::string name, std::string source, uint64_t memory_gb, double memory_rate,
             double compute_rate, double bus_rate, uint64_t host_gb, double disk_rate) {
  return {.name = std::move(name),
          .source = std::move(source),
          .device_memory_bytes = (memory_gb - kGpuReserveGb) * kGiga,
          .device_rate = memory_rate,
          .decode_rate = kH100Decode * memory_rate / kH100Memory,
          .compute_rate = compute_rate,
          .host_to_device_rate = bus_rate,
          .host_memory_bytes = host_gb * kGiga / 10 * kHostTenths,
          .disk_rate = disk_rate};
}

}  // namespace

const std::vector<Hardware>& KnownHardware() {
  static const auto& known = *new std::vector<Hardware>{
      Gpu("h100",
          "decode, copy and bus measured (docs/GPU.md); FP8 at 40 % of NVIDIA's 1979 T; "
          "1 TB of host memory and 12 GB/s of NVMe assumed",
          80, kH100Memory, 0.79e15, 55e9, 1000, 12e9),
      Gpu("h200", "memory 4.8 TB/s by its data sheet, 0.9 of it; the rest as the h100's", 141,
          4.3e12, 0.79e15, 55e9, 1000, 12e9),
      Gpu("b200",
          "memory 8 TB/s by its data sheet, 0.9 of it; FP8 at 40 % of 4500 T; the rest as "
          "the h100's",
          180, 7.2e12, 1.8e15, 55e9, 2000, 12e9),
      Gpu("rtx4090",
          "memory 1.008 TB/s by its data sheet, 0.9 of it; FP8 at 40 % of 660 T; PCIe "
          "4.0 x16 at 25 GB/s; 128 GB of host memory and 6 GB/s of NVMe assumed",
          24, 0.907e12, 0.26e15, 25e9, 128, 6e9),
      Gpu("h100-small-host", "the h100, in a host with 256 GB of memory", 80, kH100Memory, 0.79e15,
          55e9, 256, 12e9)};
  return known;
}

absl::StatusOr<Hardware> FindHardware(std::string_view name) {
  std::string names;
  for (const Hardware& hardware : KnownHardware()) {
    if (hardware.name == name) return hardware;
    absl::StrAppend(&names, names.empty() ? "" : ", ", hardware.name);
  }
  return absl::NotFoundError(absl::StrCat("no machine is known as '", std::string(name),
                                          "': name a JSON file, or one of ", names));
}

absl::StatusOr<Hardware> ParseHardware(std::string_view text) {
  const Json document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return absl::InvalidArgumentError("a machine is a JSON object");
  Hardware hardware;
  for (const auto& [key, value] : document.items()) {
    if ((key == "name" || key == "source") && value.is_string()) {
      (key == "name" ? hardware.name : hardware.source) = value.get<std::string>();
      continue;
    }
    bool known = false;
    for (const RateField& rate : kRates) {
      if (key != rate.name || !value.is_number()) continue;
      hardware.*rate.value = value.get<double>();
      known = hardware.*rate.value <= kMaxRate &&
              (hardware.*rate.value >= 1 || (rate.may_be_zero && hardware.*rate.value == 0));
    }
    for (const SizeField& size : kSizes) {
      if (key != size.name || !value.is_number_unsigned()) continue;
      hardware.*size.value = value.get<uint64_t>();
      known = hardware.*size.value <= kMaxBytes;
    }
    if (!known) {
      return absl::InvalidArgumentError(
          absl::StrCat("a machine has no such member, or not with "
                       "such a value: ",
                       key));
    }
  }
  for (const RateField& rate : kRates) {
    if (hardware.*rate.value == 0 && !rate.may_be_zero) {
      return absl::InvalidArgumentError(absl::StrCat("a machine needs ", rate.name));
    }
  }
  for (const SizeField& size : kSizes) {
    if (hardware.*size.value == 0) {
      return absl::InvalidArgumentError(absl::StrCat("a machine needs ", size.name));
    }
  }
  return hardware;
}

std::string HardwareJson(const Hardware& hardware) {
  Json document = {{"name", hardware.name}, {"source", hardware.source}};
  for (const SizeField& size : kSizes) document[size.name] = hardware.*size.value;
  for (const RateField& rate : kRates) document[rate.name] = hardware.*rate.value;
  return document.dump(2);
}

}  // namespace ecf8
