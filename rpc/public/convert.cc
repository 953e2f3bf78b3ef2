#include "rpc/public/convert.h"

#include <chrono>

namespace ecf8 {
namespace {

static_assert(static_cast<int>(StoredAs::kRaw) == v1::CODEC_RAW);
static_assert(static_cast<int>(StoredAs::kE4M3) == v1::CODEC_E4M3);
static_assert(static_cast<int>(StoredAs::kE5M2) == v1::CODEC_E5M2);

// Longer ones are no limits; with these nothing overflows.
constexpr std::chrono::hours kLongestTimeout(24 * 365);

TensorInfo ToTensorInfo(const v1::Tensor& tensor) {
  TensorInfo info;
  info.name = tensor.name();
  info.dtype = tensor.dtype();
  info.shape.assign(tensor.shape().begin(), tensor.shape().end());
  info.tensor_offset_bytes = tensor.tensor_offset_bytes();
  info.size_bytes = tensor.size_bytes();
  info.decoded_offset_bytes = tensor.decoded_offset_bytes();
  info.stored_offset_bytes = tensor.stored_offset_bytes();
  info.stored_size_bytes = tensor.stored_size_bytes();
  info.xxh3 = tensor.decoded_xxh3();
  info.stored_as = static_cast<StoredAs>(tensor.codec());
  info.chunk_stored_size_bytes.assign(tensor.chunk_stored_size_bytes().begin(),
                                      tensor.chunk_stored_size_bytes().end());
  return info;
}

}  // namespace

CallLimits ToLimits(const CallOptions& options) {
  CallLimits limits;
  if (options.timeout.count() > 0 && options.timeout < kLongestTimeout) {
    limits.deadline = std::chrono::steady_clock::now() + options.timeout;
  }
  if (options.cancellation != nullptr) {
    limits.stop = CallOptionsAccess::Token(*options.cancellation);
  }
  return limits;
}

v1::Form ToProto(Form form) { return form == Form::kStored ? v1::FORM_STORED : v1::FORM_DECODED; }

ModelInfo ToModelInfo(const v1::Model& model) {
  ModelInfo info;
  info.name = model.name();
  info.digest = model.digest();
  info.decoded_size_bytes = model.decoded_size_bytes();
  info.stored_size_bytes = model.stored_size_bytes();
  info.unit_count = model.unit_count();
  info.tensor_count = model.tensor_count();
  return info;
}

UnitInfo ToUnitInfo(const v1::Unit& unit) {
  UnitInfo info;
  info.index = unit.index();
  info.id = unit.id();
  info.stored_size_bytes = unit.stored_size_bytes();
  info.decoded_size_bytes = unit.decoded_size_bytes();
  info.tensors.reserve(static_cast<size_t>(unit.tensors_size()));
  for (const v1::Tensor& tensor : unit.tensors()) info.tensors.push_back(ToTensorInfo(tensor));
  for (const v1::TableSet& set : unit.table_sets()) {
    info.table_sets.push_back({static_cast<StoredAs>(set.codec()), set.table_count()});
  }
  return info;
}

v1::FetchRequest ToProto(const FetchRequest& request) {
  v1::FetchRequest proto;
  proto.set_model(request.model);
  proto.set_digest(request.digest);
  proto.mutable_units()->Add(request.units.begin(), request.units.end());
  proto.mutable_tensors()->Add(request.tensors.begin(), request.tensors.end());
  proto.set_form(request.decode_here ? v1::FORM_STORED : ToProto(request.form));
  proto.set_request_id(request.request_id);
  return proto;
}

ModelDescription ToDescription(const v1::Model& model, const std::vector<v1::Unit>& units) {
  ModelDescription description;
  description.model = ToModelInfo(model);
  description.units.reserve(units.size());
  for (const v1::Unit& unit : units) description.units.push_back(ToUnitInfo(unit));
  return description;
}

}  // namespace ecf8
