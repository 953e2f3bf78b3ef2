#include "tools/workloads/made_up_source.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "decoder/checksum.h"
#include "loader/model/original.h"
#include "tools/workloads/synthetic_weights.h"

namespace ecf8 {
namespace {

constexpr uint64_t kPieceRows = 128;
constexpr uint64_t kPieceColumns = 512;
constexpr uint64_t kPieceBytes = kPieceRows * kPieceColumns;
constexpr uint64_t kPieces = 256;
constexpr uint64_t kOtherBytes = 4096;

uint64_t Mix(uint64_t z) {  // splitmix64's end
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

absl::Span<const uint8_t> AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class MadeUpBytes final : public SourceBytes {
 public:
  MadeUpBytes(const std::vector<SafetensorsTensor>& tensors, const std::string& json, uint64_t seed)
      : tensors_(tensors), head_(SafetensorsHead(json)), pieces_(kPieces * kPieceBytes) {
    FillSyntheticE4M3(seed, kPieceColumns, absl::MakeSpan(pieces_));
    for (const SafetensorsTensor& tensor : tensors_) {
      seeds_.push_back(Mix(seed ^ Xxh3(AsBytes(tensor.name))));
    }
    // Halves of BF16 or F32 numbers whose top byte is 0x3C or 0xBC: about 0.01 to 0.03.
    for (uint64_t i = 0; i < kOtherBytes; ++i) {
      const auto noise = static_cast<uint8_t>(Mix(seed + i));
      others_.push_back(i % 2 == 0 ? noise : static_cast<uint8_t>(0x3C | (noise & 0x80)));
    }
  }

  uint64_t size_bytes() const override {
    return head_.size() + (tensors_.empty() ? 0 : tensors_.back().end);
  }

  absl::Status ReadAt(uint64_t offset_bytes, absl::Span<uint8_t> out) const override {
    if (offset_bytes > size_bytes() || out.size() > size_bytes() - offset_bytes) {
      return absl::DataLossError("the made-up model ends before the last byte");
    }
    if (offset_bytes < head_.size()) {
      const uint64_t count = std::min<uint64_t>(out.size(), head_.size() - offset_bytes);
      std::memcpy(out.data(), head_.data() + offset_bytes, count);
      out.remove_prefix(count);
      offset_bytes += count;
    }
    ReadData(offset_bytes - head_.size(), out);
    return absl::OkStatus();
  }

  absl::Status CheckUnchanged() const override { return absl::OkStatus(); }

 private:
  void ReadData(uint64_t begin, absl::Span<uint8_t> out) const {
    auto tensor = std::upper_bound(
        tensors_.begin(), tensors_.end(), begin,
        [](uint64_t offset, const SafetensorsTensor& candidate) { return offset < candidate.end; });
    while (!out.empty()) {
      const uint64_t count = std::min<uint64_t>(out.size(), tensor->end - begin);
      Fill(*tensor, seeds_[static_cast<size_t>(tensor - tensors_.begin())], begin - tensor->begin,
           out.first(count));
      out.remove_prefix(count);
      begin += count;
      ++tensor;
    }
  }

  void Fill(const SafetensorsTensor& tensor, uint64_t seed, uint64_t offset,
            absl::Span<uint8_t> out) const {
    const bool coded = tensor.dtype == DType::kF8E4M3 && tensor.shape.size() == 2;
    while (!out.empty()) {
      const absl::Span<const uint8_t> run =
          coded ? CodedRun(tensor.shape[1], seed, offset) : OtherRun(offset);
      const size_t count = std::min(run.size(), out.size());
      std::memcpy(out.data(), run.data(), count);
      out.remove_prefix(count);
      offset += count;
    }
  }

  // What lies at `offset` of a matrix, to the end of the row of its piece.
  absl::Span<const uint8_t> CodedRun(uint64_t columns, uint64_t seed, uint64_t offset) const {
    const uint64_t row = offset / columns;
    const uint64_t column = offset % columns;
    const uint64_t row_of_pieces = (columns + kPieceColumns - 1) / kPieceColumns;
    const uint64_t place = row / kPieceRows * row_of_pieces + column / kPieceColumns;
    const uint64_t piece = Mix(seed + place) % kPieces;
    const uint64_t begin = column % kPieceColumns;
    const uint64_t end = std::min(kPieceColumns, columns - (column - begin));
    return {pieces_.data() + piece * kPieceBytes + row % kPieceRows * kPieceColumns + begin,
            end - begin};
  }

  absl::Span<const uint8_t> OtherRun(uint64_t offset) const {
    return absl::MakeConstSpan(others_).subspan(offset % kOtherBytes);
  }

  const std::vector<SafetensorsTensor> tensors_;
  const std::string head_;
  std::vector<uint64_t> seeds_;  // by tensor
  std::vector<uint8_t> pieces_;  // one after the other, by row
  std::vector<uint8_t> others_;
};

}  // namespace

SourceModel MakeUpSource(std::vector<SafetensorsTensor> tensors, uint64_t seed) {
  SafetensorsHeader header;
  header.metadata = {{"format", "pt"}};
  header.has_metadata = true;
  header.json = WriteSafetensorsJson(tensors, &header.metadata);
  header.json.append(-header.json.size() % 8, ' ');  // as the usual writers do
  header.tensors = std::move(tensors);
  auto bytes = std::make_unique<const MadeUpBytes>(header.tensors, header.json, seed);
  SourceModel model;
  model.is_single_file = true;
  model.shards.push_back({"model.safetensors", std::move(bytes), std::move(header)});
  return model;
}

}  // namespace ecf8
