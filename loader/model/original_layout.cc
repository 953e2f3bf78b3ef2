#include "loader/model/original_layout.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/safetensors.h"
#include "loader/model/original.h"

namespace ecf8 {
namespace {

absl::Status AddTensors(const CompressedModel& model, const SafetensorsHeader& header,
                        OriginalLayout& layout) {
  for (const SafetensorsTensor& tensor : header.tensors) {
    const auto damaged = [&tensor](const char* what) {
      return absl::DataLossError(absl::StrCat("tensor ", Quoted(tensor.name), " ", what));
    };
    const absl::Span<const PieceRef> pieces = model.FindTensor(tensor.name);
    if (pieces.empty()) return damaged("is not in the compressed model");
    const Piece& piece = model.unit(pieces[0].unit_index).pieces[pieces[0].piece];
    if (piece.dtype != tensor.dtype || piece.shape != tensor.shape) {
      return damaged("has another dtype or shape in the compressed model");
    }
    const OriginalPlace place = {static_cast<uint32_t>(layout.files.size()),
                                 header.data_offset() + tensor.begin};
    if (!layout.places.try_emplace(piece.tensor, place).second) {
      return damaged("is in two of the original files");
    }
  }
  return absl::OkStatus();
}

absl::Status AddFile(const CompressedModel& model, const Original& original,
                     OriginalLayout& layout) {
  ECF8_ASSIGN_OR_RETURN(std::string head, InflateOriginal(original));
  if (head.size() < 8 || SafetensorsHead(std::string_view(head).substr(8)) != head) {
    return absl::DataLossError("the header's length is wrong");
  }
  absl::StatusOr<SafetensorsHeader> header =
      ParseSafetensorsHeader(head.substr(8), original.data_size_bytes);
  if (!header.ok()) return absl::DataLossError(header.status().message());
  ECF8_RETURN_IF_ERROR(AddTensors(model, *header, layout));
  const uint64_t size = head.size() + original.data_size_bytes;
  layout.files.push_back({original.path, std::move(head), size});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OriginalLayout> ReadOriginalLayout(const CompressedModel& model) {
  OriginalLayout layout;
  for (const Original& original : model.directory_record().originals) {
    if (original.kind != Original::Kind::kSafetensorsHeader) continue;
    const absl::Status status = AddFile(model, original, layout);
    if (!status.ok()) {
      return AddContext(status, absl::StrCat("the kept header of ", Quoted(original.path)));
    }
  }
  for (uint32_t u = 0; u < model.unit_count(); ++u) {
    for (const Piece& piece : model.unit(u).pieces) {
      if (!layout.places.contains(piece.tensor)) {
        return absl::DataLossError(
            absl::StrCat("tensor ", Quoted(piece.tensor), " is in none of the original files"));
      }
    }
  }
  return layout;
}

}  // namespace ecf8
