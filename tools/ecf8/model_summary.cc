#include "tools/ecf8/model_summary.h"

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/dtype.h"
#include "loader/model/summary.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

std::string Percent(uint64_t part, uint64_t whole) {
  if (whole == 0) return "-";
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f %%",
                100.0 * static_cast<double>(part) / static_cast<double>(whole));
  return text;
}

std::string ShapeText(const std::vector<uint64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) absl::StrAppend(&text, i == 0 ? "" : ", ", shape[i]);
  return text + "]";
}

const char* CodecName(Codec codec) {
  switch (codec) {
    case Codec::kE4M3:
      return "e4m3";
    case Codec::kE5M2:
      return "e5m2";
    case Codec::kRaw:
      break;
  }
  return "raw";
}

uint64_t TensorBytes(const Unit& unit) {
  uint64_t bytes = 0;
  for (const Piece& piece : unit.pieces) bytes += piece.decoded_size_bytes;
  return bytes;
}

// Calls function(unit, piece, its tensor is whole) for every piece, in walk order.
template <typename Function>
void ForEachPiece(const CompressedModel& model, const Function& function) {
  for (uint32_t u = 0; u < model.unit_count(); ++u) {
    for (const Piece& piece : model.unit(u).pieces) {
      function(model.unit(u), piece, model.FindTensor(piece.tensor).size() == 1);
    }
  }
}

}  // namespace

Json SummaryJson(const CompressedModel& model) {
  const ModelSummary summary = Summarize(model);
  return {{"format_version", kFormatVersion},
          {"digest", model.digest()},
          {"raw_bytes", summary.raw_bytes},
          {"stored_bytes", summary.stored_bytes},
          {"ratio", summary.ratio()},
          {"fp8_weights", summary.fp8.weights},
          {"coded_weights", summary.fp8.coded_weights},
          {"bits_per_fp8_weight", summary.bits_per_fp8_weight},
          {"chunk_bytes", summary.chunk_bytes},
          {"tables_bytes", summary.tables_bytes},
          {"padding_bytes", summary.padding_bytes},
          {"header_bytes", summary.header_bytes},
          {"manifest_bytes", summary.manifest_bytes},
          {"originals_bytes", summary.originals_bytes},
          {"other_file_bytes", summary.other_file_bytes},
          {"shards", summary.shard_count},
          {"units", summary.unit_count},
          {"tensors", summary.tensor_count}};
}

std::string SummaryText(const CompressedModel& model) {
  const ModelSummary summary = Summarize(model);
  Rows rows = {{"", "BYTES", "OF STORED"}};
  const auto add = [&rows, &summary](const char* what, uint64_t bytes) {
    rows.push_back({what, FormatBytes(bytes), Percent(bytes, summary.stored_bytes)});
  };
  add("original", summary.raw_bytes);
  add("stored", summary.stored_bytes);
  add("  weights", summary.chunk_bytes);
  add("  code tables", summary.tables_bytes);
  add("  padding", summary.padding_bytes);
  add("  headers", summary.header_bytes);
  add("  manifests", summary.manifest_bytes);
  add("  other files", summary.other_file_bytes);
  char bits[64];
  std::snprintf(bits, sizeof(bits), "%.4f", summary.bits_per_fp8_weight);
  return absl::StrCat(
      Printable(model.name()), ": ecf8 format ", kFormatVersion, ", digest ", model.digest(), "\n",
      summary.shard_count, " shards, ", summary.unit_count, " units, ", summary.tensor_count,
      " tensors, ", summary.fp8.weights, " FP8 weights (", summary.fp8.coded_weights, " coded)\n",
      summary.fp8.weights == 0 ? ""
                               : absl::StrCat(bits, " bits an FP8 weight, everything counted\n"),
      "stored size: ", Percent(summary.stored_bytes, summary.raw_bytes), " of the original\n\n",
      FormatTable(rows, {false, true, true}));
}

Json UnitsJson(const CompressedModel& model) {
  Json units = Json::array();
  for (uint32_t u = 0; u < model.unit_count(); ++u) {
    const Unit& unit = model.unit(u);
    units.push_back({{"id", unit.id},
                     {"index", u},
                     {"shard", model.shard_of(u).file_name},
                     {"offset_bytes", unit.offset_bytes},
                     {"stored_size_bytes", unit.stored_size_bytes},
                     {"decoded_size_bytes", unit.decoded_size_bytes},
                     {"tensor_bytes", TensorBytes(unit)},
                     {"tables_bytes", unit.tables_size_bytes},
                     {"tensors", unit.pieces.size()}});
  }
  return units;
}

Json TensorsJson(const CompressedModel& model) {
  Json tensors = Json::array();
  ForEachPiece(model, [&tensors](const Unit& unit, const Piece& piece, bool is_whole) {
    Json entry = {{"name", piece.tensor},
                  {"unit", unit.id},
                  {"dtype", std::string(DTypeName(piece.dtype))},
                  {"shape", piece.shape},
                  {"codec", CodecName(piece.codec)},
                  {"size_bytes", piece.decoded_size_bytes},
                  {"stored_size_bytes", piece.stored_size_bytes}};
    if (!is_whole) entry["tensor_offset_bytes"] = piece.tensor_offset_bytes;
    tensors.push_back(std::move(entry));
  });
  return tensors;
}

std::string UnitsText(const CompressedModel& model) {
  Rows rows = {{"UNIT", "TENSORS", "DECODED", "STORED", "RATIO", "SHARD"}};
  for (uint32_t u = 0; u < model.unit_count(); ++u) {
    const Unit& unit = model.unit(u);
    const uint64_t bytes = TensorBytes(unit);
    rows.push_back({unit.id, absl::StrCat(unit.pieces.size()), FormatBytes(bytes),
                    FormatBytes(unit.stored_size_bytes), Percent(unit.stored_size_bytes, bytes),
                    Printable(model.shard_of(u).file_name)});
  }
  return FormatTable(rows, {false, true, true, true, true, false});
}

std::string TensorsText(const CompressedModel& model) {
  Rows rows = {{"TENSOR", "UNIT", "DTYPE", "SHAPE", "CODEC", "SIZE", "STORED", "RATIO"}};
  ForEachPiece(model, [&rows](const Unit& unit, const Piece& piece, bool is_whole) {
    const std::string part =
        is_whole ? "" : absl::StrCat(" (from byte ", piece.tensor_offset_bytes, ")");
    rows.push_back({Printable(piece.tensor) + part, unit.id, std::string(DTypeName(piece.dtype)),
                    ShapeText(piece.shape), CodecName(piece.codec),
                    FormatBytes(piece.decoded_size_bytes), FormatBytes(piece.stored_size_bytes),
                    Percent(piece.stored_size_bytes, piece.decoded_size_bytes)});
  });
  return FormatTable(rows, {false, false, false, false, false, true, true, true});
}

}  // namespace ecf8
