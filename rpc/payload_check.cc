#include "rpc/payload_check.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/types/span.h"
#include "decoder/checksum.h"
#include "decoder/chunk_decoder.h"
#include "decoder/format.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/model/manifest.h"
#include "loader/model/unit_tables.h"
#include "rpc/unit_check.h"

namespace ecf8 {
namespace {

absl::Span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::vector<Extent> DecodedExtents(const v1::Unit& unit) {
  std::vector<Extent> extents;
  for (const v1::Tensor& tensor : unit.tensors()) {
    extents.push_back({tensor.decoded_offset_bytes(), tensor.size_bytes()});
  }
  return extents;
}

// The tables (extent 0, maybe empty), then the tensors.
std::vector<Extent> StoredExtents(const v1::Unit& unit) {
  std::vector<Extent> extents = {{0, TablesSizeBytes(unit)}};
  for (const v1::Tensor& tensor : unit.tensors()) {
    extents.push_back({tensor.stored_offset_bytes(), tensor.stored_size_bytes()});
  }
  return extents;
}

absl::Status WrongTensor(const v1::Unit& unit, const v1::Tensor& tensor) {
  return absl::DataLossError("unit " + Quoted(unit.id()) + ": tensor " + Quoted(tensor.name()) +
                             " arrived with wrong bytes (checksum)");
}

absl::Status Incomplete(const v1::Unit& unit) {
  return absl::DataLossError("unit " + Quoted(unit.id()) + " ended before its last byte");
}

class DecodedCheck final : public PayloadCheck {
 public:
  DecodedCheck(const v1::Unit& unit, TensorBytesFunction on_tensor_bytes)
      : unit_(unit), cursor_(DecodedExtents(unit)), on_tensor_bytes_(std::move(on_tensor_bytes)) {}

  bool checks_bytes() const override { return true; }

  absl::Status Data(uint64_t offset_bytes, std::string_view data) override {
    ECF8_ASSIGN_OR_RETURN(const size_t tensor, cursor_.Take(offset_bytes, data.size()));
    hash_.Update(AsBytes(data));
    const v1::Tensor& whole = unit_.tensors(static_cast<int>(tensor));
    const uint64_t offset_in_part = offset_bytes - whole.decoded_offset_bytes();
    ECF8_RETURN_IF_ERROR(
        on_tensor_bytes_(whole, whole.tensor_offset_bytes() + offset_in_part, AsBytes(data)));
    if (!cursor_.Passed(tensor)) return absl::OkStatus();
    if (hash_.Digest() != whole.decoded_xxh3()) return WrongTensor(unit_, whole);
    hash_ = Xxh3Stream();
    return absl::OkStatus();
  }

  absl::Status End() override { return cursor_.done() ? absl::OkStatus() : Incomplete(unit_); }

 private:
  const v1::Unit& unit_;
  ExtentCursor cursor_;
  const TensorBytesFunction on_tensor_bytes_;
  Xxh3Stream hash_;  // of the current tensor's bytes so far
};

class StoredCheck final : public PayloadCheck {
 public:
  explicit StoredCheck(const v1::Unit& unit) : unit_(unit), cursor_(StoredExtents(unit)) {}

  bool checks_bytes() const override { return false; }

  absl::Status Data(uint64_t offset_bytes, std::string_view data) override {
    return cursor_.Take(offset_bytes, data.size()).status();
  }

  absl::Status End() override { return cursor_.done() ? absl::OkStatus() : Incomplete(unit_); }

 private:
  const v1::Unit& unit_;
  ExtentCursor cursor_;
};

// Collects tables and chunks, however the messages cut them, and decodes each when it is whole.
class DecodingCheck final : public PayloadCheck {
 public:
  DecodingCheck(const v1::Unit& unit, TensorBytesFunction on_tensor_bytes)
      : unit_(unit), cursor_(StoredExtents(unit)), on_tensor_bytes_(std::move(on_tensor_bytes)) {}

  bool checks_bytes() const override { return true; }

  absl::Status Data(uint64_t offset_bytes, std::string_view data) override {
    ECF8_ASSIGN_OR_RETURN(const size_t extent, cursor_.Take(offset_bytes, data.size()));
    if (extent == 0) return Tables(data);
    const v1::Tensor& tensor = unit_.tensors(static_cast<int>(extent - 1));
    while (!data.empty()) {
      const size_t wanted = tensor.chunk_stored_size_bytes(chunk_) - collected_.size();
      const std::string_view part = data.substr(0, wanted);
      collected_ += part;
      data.remove_prefix(part.size());
      if (part.size() == wanted) ECF8_RETURN_IF_ERROR(Chunk(tensor));
    }
    if (!cursor_.Passed(extent)) return absl::OkStatus();
    if (hash_.Digest() != tensor.decoded_xxh3()) return WrongTensor(unit_, tensor);
    hash_ = Xxh3Stream();
    chunk_ = 0;
    return absl::OkStatus();
  }

  absl::Status End() override { return cursor_.done() ? absl::OkStatus() : Incomplete(unit_); }

 private:
  absl::Status Tables(std::string_view data) {
    collected_ += data;
    if (!cursor_.Passed(0)) return absl::OkStatus();
    if (Xxh3(AsBytes(collected_)) != unit_.tables_xxh3()) {
      return absl::DataLossError("unit " + Quoted(unit_.id()) + ": wrong tables (checksum)");
    }
    Unit layout;
    for (const v1::TableSet& set : unit_.table_sets()) {
      layout.table_sets.push_back({static_cast<Codec>(set.codec()), set.table_count()});
    }
    layout.tables_size_bytes = collected_.size();  // which the cursor has seen to
    ECF8_ASSIGN_OR_RETURN(tables_, ParseUnitTables(layout, AsBytes(collected_)));
    collected_.clear();
    return absl::OkStatus();
  }

  absl::Status Chunk(const v1::Tensor& tensor) {
    const auto codec = static_cast<Codec>(tensor.codec());
    if (Xxh3(AsBytes(collected_)) != tensor.chunk_xxh3(chunk_)) return WrongTensor(unit_, tensor);
    decoded_.resize(ChunkWeightsAt(tensor.size_bytes(), static_cast<size_t>(chunk_)));
    const ChunkView view{codec, AsBytes(collected_), decoded_.size()};
    if (const TableSet* tables = tables_.For(codec);
        codec != Codec::kRaw && tables == nullptr && view.stored.size() != view.weights) {
      return absl::DataLossError("unit " + Quoted(unit_.id()) + ": no tables for tensor " +
                                 Quoted(tensor.name()));
    }
    ECF8_RETURN_IF_ERROR(DecodeChunk(view, tables_.For(codec), absl::MakeSpan(decoded_)));
    hash_.Update(decoded_);
    collected_.clear();
    const uint64_t offset_in_part = static_cast<uint64_t>(chunk_) * kChunkWeights;
    ++chunk_;
    return on_tensor_bytes_(tensor, tensor.tensor_offset_bytes() + offset_in_part, decoded_);
  }

  const v1::Unit& unit_;
  ExtentCursor cursor_;
  const TensorBytesFunction on_tensor_bytes_;
  UnitTables tables_;
  std::string collected_;  // of the current chunk, or the tables
  int chunk_ = 0;          // of the current tensor
  Xxh3Stream hash_;        // of the current tensor's decoded bytes so far
  std::vector<uint8_t> decoded_;
};

}  // namespace

ExtentCursor::ExtentCursor(std::vector<Extent> extents) : extents_(std::move(extents)) {
  PassComplete();
}

absl::StatusOr<size_t> ExtentCursor::Take(uint64_t offset_bytes, uint64_t size_bytes) {
  if (done()) return absl::DataLossError("the daemon sent bytes after a unit's last");
  const Extent& extent = extents_[current_];
  if (size_bytes == 0 || offset_bytes != extent.offset_bytes + taken_bytes_ ||
      size_bytes > extent.size_bytes - taken_bytes_) {
    return absl::DataLossError("the daemon sent bytes out of order, at offset " +
                               std::to_string(offset_bytes));
  }
  const size_t taken_from = current_;
  taken_bytes_ += size_bytes;
  PassComplete();
  return taken_from;
}

void ExtentCursor::PassComplete() {
  while (current_ < extents_.size() && taken_bytes_ == extents_[current_].size_bytes) {
    ++current_;
    taken_bytes_ = 0;
  }
}

std::unique_ptr<PayloadCheck> MakePayloadCheck(const v1::Unit& unit, v1::Form form, bool decode,
                                               TensorBytesFunction on_tensor_bytes) {
  if (form == v1::FORM_DECODED) {
    return std::make_unique<DecodedCheck>(unit, std::move(on_tensor_bytes));
  }
  if (decode) return std::make_unique<DecodingCheck>(unit, std::move(on_tensor_bytes));
  return std::make_unique<StoredCheck>(unit);
}

}  // namespace ecf8
