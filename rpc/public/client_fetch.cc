// Client: fetches.
#include <new>
#include <string>
#include <utility>

#include "decoder/status_macros.h"
#include "ecf8/client.h"
#include "loader/base/strings.h"
#include "loader/model/manifest.h"
#include "rpc/public/client_state.h"
#include "rpc/public/convert.h"
#include "rpc/public/fetch_sinks.h"

namespace ecf8 {
namespace {

// A decoded unit is its tensors, and gaps of less than 256 bytes before each.
constexpr uint64_t kMostUnitBytes = kMaxUnitDecodedBytes + (uint64_t{64} << 20);

absl::Status CheckTargets(const FetchRequest& request, size_t targets) {
  if (request.units.empty() && request.tensors.empty()) {
    return absl::InvalidArgumentError("name the units or tensors to be fetched into memory");
  }
  if (!request.tensors.empty() && request.form == Form::kStored) {
    return absl::InvalidArgumentError("tensors come into memory decoded: ask for their units");
  }
  const size_t wanted = request.units.size() + request.tensors.size();
  if (targets == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(std::to_string(targets) + " spans were given for " +
                                    std::to_string(wanted) + " units and tensors");
}

std::string NameOf(const FetchRequest& request, size_t number) {
  if (number < request.units.size()) return "unit " + Quoted(request.units[number]);
  return "tensor " + Quoted(request.tensors[number - request.units.size()]);
}

// For what a daemon says that it will send; touched only as that comes.
absl::StatusOr<std::unique_ptr<uint8_t[]>> Allocate(uint64_t size_bytes) {
  std::unique_ptr<uint8_t[]> memory(new (std::nothrow) uint8_t[size_bytes]);
  if (memory != nullptr) return memory;
  return absl::ResourceExhaustedError("no memory for " + std::to_string(size_bytes) + " bytes");
}

}  // namespace

absl::Status Client::Fetch(const FetchRequest& request, const FetchCallbacks& callbacks,
                           const CallOptions& options) const {
  const CallLimits limits = ToLimits(options);
  const v1::FetchRequest proto = ToProto(request);
  CallbackSink sink(request, callbacks);
  absl::Status fetched;
  ECF8_RETURN_IF_ERROR(state_->Call(limits, [&] {
    fetched = state_->client->Fetch(proto, request.decode_here, sink, limits);
    return sink.begun() ? absl::OkStatus() : fetched;
  }));
  return fetched;
}

absl::Status Client::State::Place(const FetchRequest& request, const FindTarget& find_target,
                                  const CallOptions& options, UnitInfo* last_unit) const {
  const CallLimits limits = ToLimits(options);
  const v1::FetchRequest proto = ToProto(request);
  return Call(limits, [&]() -> absl::Status {
    PlacingSink sink(request, find_target);  // anew, where there was a try before
    ECF8_RETURN_IF_ERROR(client->Fetch(proto, request.decode_here, sink, limits));
    if (last_unit != nullptr) *last_unit = std::move(sink.unit());
    return absl::OkStatus();
  });
}

absl::Status Client::FetchInto(const FetchRequest& request,
                               absl::Span<const absl::Span<uint8_t>> targets,
                               const CallOptions& options) const {
  ECF8_RETURN_IF_ERROR(CheckTargets(request, targets.size()));
  const auto find_target = [&](size_t number,
                               uint64_t size_bytes) -> absl::StatusOr<absl::Span<uint8_t>> {
    if (targets[number].size() == size_bytes) return targets[number];
    return absl::InvalidArgumentError(NameOf(request, number) + " has " +
                                      std::to_string(size_bytes) + " bytes, and its span " +
                                      std::to_string(targets[number].size()));
  };
  return state_->Place(request, find_target, options, nullptr);
}

absl::StatusOr<FetchedUnit> Client::FetchUnit(std::string_view model, std::string_view unit,
                                              Form form, const CallOptions& options) const {
  FetchRequest request;
  request.model = model;
  request.units.emplace_back(unit);
  request.form = form;
  std::unique_ptr<uint8_t[]> memory;
  uint64_t allocated_bytes = 0;
  const auto find_target = [&](size_t /*number*/,
                               uint64_t size_bytes) -> absl::StatusOr<absl::Span<uint8_t>> {
    if (size_bytes > kMostUnitBytes) return absl::DataLossError("a unit larger than there can be");
    ECF8_ASSIGN_OR_RETURN(memory, Allocate(size_bytes));
    allocated_bytes = size_bytes;
    return absl::MakeSpan(memory.get(), size_bytes);
  };
  FetchedUnit fetched;
  ECF8_RETURN_IF_ERROR(state_->Place(request, find_target, options, &fetched.unit));
  fetched.buffer = WeightBuffer(std::move(memory), allocated_bytes);
  return fetched;
}

absl::StatusOr<FetchedTensor> Client::FetchTensor(std::string_view model, std::string_view tensor,
                                                  const CallOptions& options) const {
  FetchRequest request;
  request.model = model;
  request.tensors.emplace_back(tensor);
  std::unique_ptr<uint8_t[]> memory;
  uint64_t allocated_bytes = 0;
  const auto find_target = [&](size_t /*number*/,
                               uint64_t size_bytes) -> absl::StatusOr<absl::Span<uint8_t>> {
    // All parts go to the same; that they are of one size has been checked.
    if (memory == nullptr || size_bytes != allocated_bytes) {
      ECF8_ASSIGN_OR_RETURN(memory, Allocate(size_bytes));
      allocated_bytes = size_bytes;
    }
    return absl::MakeSpan(memory.get(), size_bytes);
  };
  UnitInfo unit;
  ECF8_RETURN_IF_ERROR(state_->Place(request, find_target, options, &unit));
  FetchedTensor fetched;
  if (const TensorInfo* const info = unit.FindTensor(tensor); info != nullptr) {
    fetched.dtype = info->dtype;
    fetched.shape = info->shape;
  }
  fetched.buffer = WeightBuffer(std::move(memory), allocated_bytes);
  return fetched;
}

}  // namespace ecf8
