#include "python/src/native/daemon.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ecf8/client.h"
#include "python/src/native/errors.h"
#include "python/src/native/session.h"

namespace ecf8::python {
namespace {

namespace nb = nanobind;
using namespace nb::literals;

using Memory = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// `call`'s result, taken without the GIL.
template <typename Call>
auto Ask(Call call) {
  std::invoke_result_t<Call> result;
  {
    const nb::gil_scoped_release release;
    result = call();
  }
  return ValueOrRaise(std::move(result));
}

std::shared_ptr<Client> Connect(const std::string& address, int64_t timeout_ms, int64_t retry_ms) {
  const ClientOptions options{.connect_timeout = std::chrono::milliseconds(timeout_ms),
                              .retry_for = std::chrono::milliseconds(retry_ms)};
  return Ask([&]() -> absl::StatusOr<std::shared_ptr<Client>> {
    absl::StatusOr<Client> client = Client::Connect(address, options);
    if (!client.ok()) return client.status();
    return std::make_shared<Client>(*std::move(client));
  });
}

void FetchInto(const Client& client, const std::string& model, const std::string& digest,
               const std::vector<std::string>& tensors, const std::vector<Memory>& memory,
               bool decode_here, int64_t timeout_ms) {
  std::vector<absl::Span<uint8_t>> targets;
  for (const Memory& target : memory) targets.emplace_back(target.data(), target.size());
  const FetchRequest request{
      .model = model, .digest = digest, .tensors = tensors, .decode_here = decode_here};
  absl::Status status;
  {
    const nb::gil_scoped_release release;
    status = client.FetchInto(request, targets, Within(timeout_ms));
  }
  RaiseIfError(status);
}

MemoryTier TierOf(const std::string& name) {
  if (name == "slots") return MemoryTier::kSlots;
  if (name == "host") return MemoryTier::kHost;
  if (name == "device") return MemoryTier::kDevice;
  throw nb::value_error("a tier is \"slots\", \"host\" or \"device\"");
}

using OnProgress = nb::typed<nb::callable, void(const PreloadReport&)>;

PreloadReport Preload(const Client& client, const std::string& model,
                      const std::vector<std::string>& units, const std::string& tier, bool pin,
                      const std::optional<OnProgress>& on_progress, int64_t timeout_ms) {
  const PreloadRequest request{.model = model, .units = units, .tier = TierOf(tier), .pin = pin};
  const Cancellation cancellation;
  std::optional<nb::python_error> error;  // of the callback or a signal's handler
  CallOptions options = Within(timeout_ms);
  options.cancellation = &cancellation;
  const auto tell = [&](const PreloadReport& report) {
    if (error) return;
    const nb::gil_scoped_acquire gil;
    try {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      if (on_progress) (*on_progress)(report);
    } catch (nb::python_error& raised) {
      error.emplace(std::move(raised));
      cancellation.Cancel();
    }
  };
  absl::StatusOr<PreloadReport> end;
  {
    const nb::gil_scoped_release release;
    end = client.Preload(request, tell, options);
  }
  if (error) throw nb::python_error(std::move(*error));
  return ValueOrRaise(std::move(end));
}

std::shared_ptr<SessionHolder> OpenSession(const Client& client, const std::string& model,
                                           const std::string& digest,
                                           const std::vector<uint32_t>& walk, bool cyclic,
                                           uint32_t depth, uint64_t slot_bytes, bool resident,
                                           bool protects, int64_t timeout_ms) {
  const SessionOptions options{.model = model,
                               .digest = digest,
                               .walk = walk,
                               .cyclic = cyclic,
                               .depth = depth,
                               .slot_bytes = slot_bytes,
                               .resident = resident};
  return Ask([&]() -> absl::StatusOr<std::shared_ptr<SessionHolder>> {
    absl::StatusOr<ClientSession> session = client.OpenSession(options, Within(timeout_ms));
    if (!session.ok()) return session.status();
    if (session->gpu()) {
      return absl::FailedPreconditionError(
          "the daemon decodes on a GPU, and its slots are that GPU's memory: from Python they are "
          "not to be had; fetch the units, or use the C++ client library");
    }
    return std::make_shared<SessionHolder>(*std::move(session), protects);
  });
}

void BindDescriptions(nb::module_& module) {
  nb::class_<TensorInfo>(module, "TensorInfo", "A tensor of a unit, or the part that it holds.")
      .def_ro("name", &TensorInfo::name)
      .def_ro("dtype", &TensorInfo::dtype, "As safetensors spells it.")
      .def_ro("shape", &TensorInfo::shape, "Of the whole tensor.")
      .def_ro("tensor_offset_bytes", &TensorInfo::tensor_offset_bytes, "Of the part, in the whole.")
      .def_ro("size_bytes", &TensorInfo::size_bytes, "Of the part, decoded.")
      .def_ro("decoded_offset_bytes", &TensorInfo::decoded_offset_bytes, "In the decoded unit.")
      .def_ro("stored_size_bytes", &TensorInfo::stored_size_bytes);
  nb::class_<UnitInfo>(module, "UnitInfo", "What is fetched, cached and leased as one.")
      .def_ro("index", &UnitInfo::index, "In the order of a walk over the model.")
      .def_ro("id", &UnitInfo::id, "\"layers.17.experts.203\"")
      .def_ro("stored_size_bytes", &UnitInfo::stored_size_bytes)
      .def_ro("decoded_size_bytes", &UnitInfo::decoded_size_bytes)
      .def_ro("tensors", &UnitInfo::tensors);
  nb::class_<ModelInfo>(module, "ModelInfo")
      .def_ro("name", &ModelInfo::name)
      .def_ro("digest", &ModelInfo::digest, "16 hex digits that change with any weight.")
      .def_ro("decoded_size_bytes", &ModelInfo::decoded_size_bytes, "Of all tensors.")
      .def_ro("stored_size_bytes", &ModelInfo::stored_size_bytes, "Of all units.")
      .def_ro("unit_count", &ModelInfo::unit_count)
      .def_ro("tensor_count", &ModelInfo::tensor_count);
  nb::class_<ModelDescription>(module, "ModelDescription")
      .def_ro("model", &ModelDescription::model)
      .def_ro("units", &ModelDescription::units, "By index.");
}

void BindStatus(nb::module_& module) {
  nb::class_<PreloadReport>(module, "PreloadReport", "How far a preload is, or how it ended.")
      .def_ro("units", &PreloadReport::units, "Of the request.")
      .def_ro("units_done", &PreloadReport::units_done, "There, or passed by.")
      .def_ro("units_not_kept", &PreloadReport::units_not_kept, "Clients use the memory.")
      .def_ro("size_bytes", &PreloadReport::size_bytes)
      .def_ro("done_bytes", &PreloadReport::done_bytes)
      .def_ro("not_kept_bytes", &PreloadReport::not_kept_bytes)
      .def_ro("loaded_bytes", &PreloadReport::loaded_bytes, "That were not there before.")
      .def_prop_ro("elapsed_ms", [](const PreloadReport& report) {
        return static_cast<int64_t>(report.elapsed.count());
      });
  nb::class_<TierStatus>(module, "TierStatus", "Memory of one kind. Counts are since the start.")
      .def_ro("capacity_bytes", &TierStatus::capacity_bytes)
      .def_ro("free_bytes", &TierStatus::free_bytes)
      .def_ro("units", &TierStatus::units)
      .def_ro("hits", &TierStatus::hits)
      .def_ro("misses", &TierStatus::misses)
      .def_ro("evictions", &TierStatus::evictions);
  nb::class_<DaemonStatus>(module, "DaemonStatus")
      .def_prop_ro(
          "uptime_ms",
          [](const DaemonStatus& status) { return static_cast<int64_t>(status.uptime.count()); })
      .def_ro("host", &DaemonStatus::host, "Compressed, in host memory.")
      .def_ro("device", &DaemonStatus::device, "Compressed, in memory of the device.")
      .def_ro("slots", &DaemonStatus::slots, "Decoded.")
      .def_ro("granted_slot_bytes", &DaemonStatus::granted_slot_bytes, "To sessions.")
      .def_ro("read_bytes", &DaemonStatus::read_bytes)
      .def_ro("decoded_bytes", &DaemonStatus::decoded_bytes)
      .def_ro("failed_units", &DaemonStatus::failed_units);
}

}  // namespace

void BindDaemon(nb::module_& module) {
  BindDescriptions(module);
  BindStatus(module);
  nb::class_<Client>(module, "Client")
      .def_static("connect", &Connect, "address"_a, "timeout_ms"_a, "retry_ms"_a)
      .def("models", [](const Client& client) { return Ask([&] { return client.Models(); }); })
      .def(
          "describe",
          [](const Client& client, const std::string& model) {
            return Ask([&] { return client.Describe(model); });
          },
          "model"_a)
      .def("status", [](const Client& client) { return Ask([&] { return client.Status(); }); })
      .def("fetch_into", &FetchInto, "model"_a, "digest"_a, "tensors"_a,
           nb::arg("memory").noconvert(), "decode_here"_a, "timeout_ms"_a)
      .def("preload", &Preload, "model"_a, "units"_a, "tier"_a, "pin"_a, "on_progress"_a.none(),
           "timeout_ms"_a)
      .def("open_session", &OpenSession, "model"_a, "digest"_a, "walk"_a, "cyclic"_a, "depth"_a,
           "slot_bytes"_a, "resident"_a, "protects"_a, "timeout_ms"_a);
}

}  // namespace ecf8::python
