#include "tools/ecf8/analysis_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/analysis/group_summary.h"
#include "loader/base/strings.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

using Role = TensorAnalysis::Role;

std::string Percent(double share) { return FormatDecimals(100 * share, 1) + " %"; }

// Shares of the exponent field 0, where E4M3 has fewer than its three bits of mantissa, or none.
double SubnormalShare(const GroupSummary& group) {
  return group.weights == 0
             ? 0
             : static_cast<double>(group.exponents[0]) / static_cast<double>(group.weights);
}

std::vector<std::string> Heading(const std::string& first) {
  return {first, "weights", "H(exp)", "predicted", "alpha", "H(byte)", "limit", "ECF8", "saves"};
}

const std::vector<bool> kRightAligned = {false, true, true, true, true, true, true, true, true};

std::vector<std::string> Row(const std::string& name, const GroupSummary& group) {
  const bool fits = group.fitted_weights > 0;
  return {name,
          FormatCount(group.weights),
          FormatDecimals(group.exponent_entropy, 3),
          fits ? FormatDecimals(group.predicted_entropy, 3) : "-",
          fits ? FormatDecimals(group.alpha, 2) : "-",
          FormatDecimals(group.byte_entropy, 3),
          FormatDecimals(group.limit_bits, 3),
          FormatDecimals(group.bits_per_weight(), 3),
          FormatSaving(group.weights, group.estimated_bytes)};
}

// Long names make no column wide: 60 characters stay.
std::string ShortName(const std::string& name) {
  constexpr size_t kMaxCharacters = 60;
  std::string printable = Printable(name);
  size_t characters = 0;
  for (size_t i = 0; i < printable.size(); ++i) {
    characters += (printable[i] & 0xC0) != 0x80 ? 1 : 0;  // where one begins in UTF-8
    if (characters > kMaxCharacters) return printable.substr(0, i) + "...";
  }
  return printable;
}

std::string Rows(const ModelAnalysis& model, bool by_tensor) {
  std::vector<std::vector<std::string>> rows = {Heading(by_tensor ? "tensor" : "kind")};
  if (by_tensor) {
    for (const TensorAnalysis& tensor : model.tensors) {
      if (tensor.role == Role::kRaw) continue;
      rows.push_back(Row(ShortName(tensor.tensor.name), SummarizeTensor(tensor)));
    }
  } else {
    constexpr size_t kMaxKinds = 50;
    const std::vector<GroupSummary> kinds = SummarizeKinds(model);
    for (size_t i = 0; i < std::min(kinds.size(), kMaxKinds); ++i) {
      rows.push_back(Row(ShortName(kinds[i].kind), kinds[i]));
    }
    if (kinds.size() > kMaxKinds) {
      rows.push_back({absl::StrCat("and ", kinds.size() - kMaxKinds, " smaller kinds")});
    }
  }
  GroupSummary all = SummarizeAll(model);
  all.estimated_bytes += model.tables_bytes;
  rows.push_back(Row("all, with tables", all));
  return FormatTable(rows, kRightAligned);
}

// A row a set of tensors: what it is, the sizes, and what ECF8 saves of FP8.
std::string Sizes(const ModelAnalysis& model) {
  const uint64_t weights = SummarizeAll(model).weights;
  std::vector<std::vector<std::string>> rows = {{"", "original"}};
  if (model.is_cast()) rows[0].emplace_back("cast to E4M3");
  rows[0].insert(rows[0].end(), {"ECF8, estimated", "saves"});
  if (model.is_compressed) rows[0].insert(rows[0].end(), {"ECF8, stored", "saves"});
  const auto add = [&](const std::string& name, uint64_t original, uint64_t fp8, uint64_t estimated,
                       uint64_t stored) {
    std::vector<std::string>& row = rows.emplace_back();
    row = {name, FormatBytes(original)};
    if (model.is_cast()) row.push_back(FormatBytes(fp8));
    row.insert(row.end(), {FormatBytes(estimated), FormatSaving(fp8, estimated)});
    if (!model.is_compressed) return;
    row.insert(row.end(), {FormatBytes(stored), FormatSaving(fp8, stored)});
  };
  const uint64_t rest = model.unanalyzed_bytes;
  add(model.is_cast() ? "weights" : "FP8 weights", model.raw_bytes - rest, weights,
      model.estimated_bytes - rest, model.stored_bytes - std::min(model.stored_bytes, rest));
  add("all tensors", model.raw_bytes, weights + rest, model.estimated_bytes, model.stored_bytes);
  if (!model.is_compressed) {
    add("all files", model.directory_bytes,
        model.directory_bytes - model.raw_bytes + weights + rest, model.estimated_directory_bytes,
        0);
  }
  std::vector<bool> right_aligned(rows[0].size(), true);
  right_aligned[0] = false;
  return FormatTable(rows, right_aligned);
}

std::string Theory(const ModelAnalysis& model) {
  const GroupSummary all = SummarizeAll(model);
  if (all.fitted_weights == 0) return "";
  return absl::StrCat(
      "The weights follow a stable law of tail index alpha = ", FormatDecimals(all.alpha, 2),
      " on average; it predicts ", FormatDecimals(all.predicted_entropy, 3),
      " bits of exponent entropy, measured are ", FormatDecimals(all.fitted_entropy, 3),
      ".\nThe paper's limit (sign, exponent, one bit of mantissa) is FP",
      FormatDecimals(all.paper_limit_bits, 2), " for that alpha and FP",
      FormatDecimals(2 + all.fitted_entropy, 2), " measured; all bits kept, FP",
      FormatDecimals(all.limit_bits, 2), ".\n");
}

nlohmann::ordered_json GroupJson(const GroupSummary& group) {
  nlohmann::ordered_json json;
  json["tensors"] = group.tensors;
  json["weights"] = group.weights;
  json["exponents"] = group.exponents;
  json["exponent_entropy"] = group.exponent_entropy;
  json["byte_entropy"] = group.byte_entropy;
  json["limit_bits_per_weight"] = group.limit_bits;
  json["estimated_bytes"] = group.estimated_bytes;
  json["estimated_bits_per_weight"] = group.bits_per_weight();
  const bool fits = group.fitted_weights > 0;
  nlohmann::ordered_json& theory = json["theory"];
  if (!fits) return json;  // null
  theory["alpha"] = group.alpha;
  theory["fitted_weights"] = group.fitted_weights;
  theory["exponents"] = group.predicted_exponents;
  theory["exponent_entropy"] = group.predicted_entropy;
  theory["measured_exponent_entropy"] = group.fitted_entropy;
  theory["paper_limit_bits_per_weight"] = group.paper_limit_bits;
  theory["measured_paper_limit_bits_per_weight"] = 2 + group.fitted_entropy;
  return json;
}

nlohmann::ordered_json TensorJson(const TensorAnalysis& tensor, bool is_compressed) {
  nlohmann::ordered_json json;
  json["name"] = tensor.tensor.name;
  json["dtype"] = DTypeName(tensor.tensor.dtype);
  json["shape"] = tensor.tensor.shape;
  json["raw_bytes"] = tensor.tensor.size_bytes;
  json["stored_bytes"] = nullptr;
  if (is_compressed) json["stored_bytes"] = tensor.stored_bytes;
  json["kind"] = tensor.kind;
  json["layer"] = nullptr;
  if (tensor.layer >= 0) json["layer"] = tensor.layer;
  json["analyzed_as"] = tensor.role == Role::kFp8    ? "fp8"
                        : tensor.role == Role::kCast ? "cast_to_e4m3"
                                                     : "raw";
  if (tensor.role == Role::kRaw) {
    json["estimated_bytes"] = tensor.estimated_bytes;
    return json;
  }
  json.update(GroupJson(SummarizeTensor(tensor)));
  json.erase("tensors");
  if (tensor.statistics.fit.has_value()) json["theory"]["scale"] = tensor.statistics.fit->scale;
  if (tensor.role == Role::kCast) json["own_exponent_entropy"] = tensor.own_exponent_entropy;
  return json;
}

}  // namespace

std::string FormatDecimals(double value, int decimals) {
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), "%.*f", decimals, value);
  return buffer;
}

std::string FormatCount(uint64_t count) {
  if (count < 10'000) return absl::StrCat(count);
  const auto value = static_cast<double>(count);
  if (count < 1'000'000) return FormatDecimals(value / 1e3, 1) + " k";
  if (count < 1'000'000'000) return FormatDecimals(value / 1e6, 1) + " M";
  return FormatDecimals(value / 1e9, 1) + " G";
}

std::string FormatSaving(uint64_t before_bytes, uint64_t after_bytes) {
  if (before_bytes == 0) return "-";
  return Percent(1 - static_cast<double>(after_bytes) / static_cast<double>(before_bytes));
}

std::string AnalysisAdvice(const ModelAnalysis& model) {
  const GroupSummary all = SummarizeAll(model);
  if (all.weights == 0) {
    return "There is nothing here that ecf8 could compress: it needs FP8 weights, or wider ones "
           "that "
           "can be cast.";
  }
  if (model.is_cast()) {
    std::string advice = absl::StrCat(
        "As it is, ecf8 would store this model raw; cast to E4M3 first, ECF8 saves another ",
        FormatSaving(all.weights, model.estimated_bytes - model.unanalyzed_bytes),
        " of the cast weights.");
    // Below 2^-6, E4M3 has no three bits of mantissa: what recipes with scales avoid.
    if (SubnormalShare(all) > 0.05) {
      absl::StrAppend(
          &advice, " But ", Percent(SubnormalShare(all)),
          " of them become subnormal or 0 and lose precision: quantise with scales, and "
          "analyse again.");
    }
    return advice;
  }
  if (model.is_compressed) {
    return absl::StrCat("This model is compressed: its tensors take ",
                        FormatBytes(model.stored_bytes), " instead of ",
                        FormatBytes(model.raw_bytes), ", ",
                        FormatSaving(model.raw_bytes, model.stored_bytes), " less.");
  }
  const double saving = 1 - static_cast<double>(model.estimated_directory_bytes) /
                                static_cast<double>(model.directory_bytes);
  const std::string sizes =
      absl::StrCat(FormatBytes(model.directory_bytes), " to about ",
                   FormatBytes(model.estimated_directory_bytes), " (", Percent(saving), " less)");
  if (saving < 0.01) {
    return absl::StrCat("Not worth compressing: from ", sizes, ". ",
                        model.unanalyzed_bytes > all.weights
                            ? "Most of the model is not FP8."
                            : "The exponents of its weights are spread too evenly.");
  }
  return absl::StrCat("Worth compressing: `ecf8 compress` takes it from ", sizes,
                      " without changing a bit, and it loads faster by as much.");
}

std::string AnalysisText(const ModelAnalysis& model, bool by_tensor) {
  std::string text;
  if (SummarizeAll(model).weights > 0) {
    absl::StrAppend(&text, Rows(model, by_tensor),
                    "Bits a weight; limit: sign, mantissa and H(exp) of each tensor.",
                    model.is_cast() ? " Cast to E4M3 without scales." : "", "\n\n", Sizes(model),
                    "\n", Theory(model), "\n");
  }
  return absl::StrCat(text, AnalysisAdvice(model), "\n");
}

nlohmann::ordered_json AnalysisJson(const ModelAnalysis& model) {
  nlohmann::ordered_json json;
  json["is_compressed"] = model.is_compressed;
  json["is_cast"] = model.is_cast();
  json["units"] = model.unit_count;
  json["raw_bytes"] = model.raw_bytes;
  json["unanalyzed_bytes"] = model.unanalyzed_bytes;
  json["tables_bytes"] = model.tables_bytes;
  json["estimated_bytes"] = model.estimated_bytes;
  json["stored_bytes"] = nullptr;
  if (model.is_compressed) json["stored_bytes"] = model.stored_bytes;
  json["directory_bytes"] = model.directory_bytes;
  json["estimated_directory_bytes"] = model.estimated_directory_bytes;
  json["advice"] = AnalysisAdvice(model);
  json["all"] = GroupJson(SummarizeAll(model));
  nlohmann::ordered_json& kinds = json["kinds"] = nlohmann::ordered_json::array();
  for (const GroupSummary& group : SummarizeKinds(model)) {
    nlohmann::ordered_json kind = {{"kind", group.kind}};
    kind.update(GroupJson(group));
    kinds.push_back(std::move(kind));
  }
  nlohmann::ordered_json& raw = json["raw"] = nlohmann::ordered_json::array();
  for (const GroupSummary& group : SummarizeRaw(model)) {
    raw.push_back({{"dtype", group.kind},
                   {"tensors", group.tensors},
                   {"elements", group.weights},
                   {"bytes", group.estimated_bytes}});
  }
  nlohmann::ordered_json& tensors = json["tensors"] = nlohmann::ordered_json::array();
  for (const TensorAnalysis& tensor : model.tensors) {
    tensors.push_back(TensorJson(tensor, model.is_compressed));
  }
  return json;
}

}  // namespace ecf8
