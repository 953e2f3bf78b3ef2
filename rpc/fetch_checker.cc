#include "rpc/fetch_checker.h"

#include "decoder/checksum.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/serve/unit_reader.h"
#include "rpc/unit_check.h"

namespace ecf8 {
namespace {

absl::Status Broken(const std::string& what) {
  return absl::DataLossError("the daemon broke the protocol: " + what);
}

}  // namespace

FetchChecker::FetchChecker(const v1::FetchRequest& request, uint32_t model_unit_count, bool decode,
                           FetchSink& sink)
    : request_(request), model_unit_count_(model_unit_count), decode_(decode), sink_(sink) {
  for (const std::string& name : request.tensors()) tensor_bytes_.emplace(name, 0);
}

absl::Status FetchChecker::Accept(const ReceivedMessage& message) {
  if (message.is_data()) return Data(message);
  switch (message.plain().part_case()) {
    case v1::FetchResponse::kBegin:
      return Begin(message.plain().begin());
    case v1::FetchResponse::kEnd:
      return End(message.plain().end());
    case v1::FetchResponse::kData:
    case v1::FetchResponse::PART_NOT_SET:
      break;
  }
  return Broken("an empty message");
}

absl::Status FetchChecker::Begin(const v1::UnitBegin& begin) {
  if (unit_) return Broken("a unit within a unit");
  if (begin.form() != request_.form()) return Broken("another form than was asked for");
  ECF8_RETURN_IF_ERROR(CheckUnit(begin.unit(), request_.form()));
  ECF8_RETURN_IF_ERROR(CheckIsWanted(begin.unit()));
  ++unit_count_;
  unit_ = begin.unit();
  payload_ = MakePayloadCheck(
      *unit_, request_.form(), decode_,
      [this](const v1::Tensor& tensor, uint64_t offset_bytes, absl::Span<const uint8_t> bytes) {
        return sink_.TensorBytes(tensor, offset_bytes, bytes);
      });
  data_bytes_ = 0;
  return sink_.UnitBegin(*unit_);
}

absl::Status FetchChecker::CheckIsWanted(const v1::Unit& unit) {
  if (!seen_units_.insert(unit.id()).second) {
    return Broken("unit " + Quoted(unit.id()) + " came twice");
  }
  const auto asked = static_cast<uint32_t>(request_.units_size());
  if (asked == 0 && tensor_bytes_.empty()) {
    if (unit.index() == unit_count_ && unit.index() < model_unit_count_) return absl::OkStatus();
    return Broken("unit " + Quoted(unit.id()) + " out of order");
  }
  if (unit_count_ < asked) {
    if (unit.id() == request_.units(static_cast<int>(unit_count_))) return absl::OkStatus();
    return Broken("unit " + Quoted(unit.id()) + " was not asked for, or not now");
  }
  if (unit.tensors().empty()) return Broken("unit " + Quoted(unit.id()) + " was not asked for");
  for (const v1::Tensor& tensor : unit.tensors()) {
    const auto wanted = tensor_bytes_.find(tensor.name());
    if (wanted == tensor_bytes_.end()) {
      return Broken("tensor " + Quoted(tensor.name()) + " was not asked for");
    }
    const uint64_t size = WholeTensorBytes(tensor);
    const bool same_size = tensor_sizes_.emplace(wanted->first, size).first->second == size;
    if (!same_size || tensor.tensor_offset_bytes() != wanted->second) {
      return Broken("tensor " + Quoted(tensor.name()) + " in parts that do not fit");
    }
    wanted->second += tensor.size_bytes();
  }
  return absl::OkStatus();
}

absl::Status FetchChecker::CheckMessage(const ReceivedMessage& data) const {
  Xxh3Stream hash;
  for (const std::string_view piece : data.data()) {
    hash.Update({reinterpret_cast<const uint8_t*>(piece.data()), piece.size()});
  }
  if (hash.Digest() == data.xxh3()) return absl::OkStatus();
  return absl::DataLossError("unit " + Quoted(unit_->id()) + ": wrong bytes at offset " +
                             std::to_string(data.offset_bytes()) + " (checksum)");
}

absl::Status FetchChecker::Data(const ReceivedMessage& data) {
  if (!unit_) return Broken("data outside a unit");
  uint64_t size_bytes = 0;
  for (const std::string_view piece : data.data()) size_bytes += piece.size();
  if (size_bytes == 0) return Broken("a message of no data");
  if (size_bytes > kMaxMessageDataBytes) return Broken("a message that is too large");
  if (!payload_->checks_bytes()) ECF8_RETURN_IF_ERROR(CheckMessage(data));
  uint64_t offset_bytes = data.offset_bytes();
  for (const std::string_view piece : data.data()) {
    ECF8_RETURN_IF_ERROR(payload_->Data(offset_bytes, piece));
    ECF8_RETURN_IF_ERROR(sink_.UnitData(offset_bytes, piece));
    offset_bytes += piece.size();
  }
  data_bytes_ += size_bytes;
  return absl::OkStatus();
}

absl::Status FetchChecker::End(const v1::UnitEnd& end) {
  if (!unit_) return Broken("the end of a unit that did not begin");
  ECF8_RETURN_IF_ERROR(payload_->End());
  if (end.data_size_bytes() != data_bytes_) return Broken("a wrong sum of a unit's bytes");
  ECF8_RETURN_IF_ERROR(sink_.UnitEnd());
  payload_.reset();
  unit_.reset();
  return absl::OkStatus();
}

absl::Status FetchChecker::Finish() const {
  if (unit_) return Broken("the end within unit " + Quoted(unit_->id()));
  const auto asked = static_cast<uint32_t>(request_.units_size());
  if (asked == 0 && tensor_bytes_.empty()) {
    return unit_count_ == model_unit_count_ ? absl::OkStatus() : Broken("units are missing");
  }
  if (unit_count_ < asked) return Broken("units are missing");
  for (const auto& [name, bytes] : tensor_bytes_) {
    const auto size = tensor_sizes_.find(name);
    if (size == tensor_sizes_.end() || size->second != bytes) {
      return Broken("tensor " + Quoted(name) + " is not complete");
    }
  }
  return absl::OkStatus();
}

}  // namespace ecf8
