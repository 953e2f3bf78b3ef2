#include "tools/ecf8/analysis_html.h"

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/analysis/group_summary.h"
#include "loader/base/strings.h"
#include "tools/ecf8/analysis_report.h"
#include "tools/ecf8/analysis_style.h"
#include "tools/ecf8/svg_plot.h"

namespace ecf8 {
namespace {

constexpr size_t kSeriesCount = 8;     // kinds that are plotted, and colours for them
constexpr size_t kMaxTableRows = 100;  // kinds in the table

std::string SeriesClass(size_t series) { return absl::StrCat("s", series); }

std::string Card(const std::string& value, const std::string& meaning) {
  return absl::StrCat("<div class=\"card\"><b>", value, "</b><span class=\"dim\">", meaning,
                      "</span></div>\n");
}

std::string Cards(const ModelAnalysis& model, const GroupSummary& all) {
  const uint64_t estimated = model.estimated_bytes - model.unanalyzed_bytes;
  const double bits = 8.0 * static_cast<double>(estimated) / static_cast<double>(all.weights);
  std::string html = "<div class=\"cards\">\n";
  html += Card(FormatSaving(all.weights, estimated),
               absl::StrCat("saved of ", FormatBytes(all.weights),
                            model.is_cast() ? " of weights cast to E4M3" : " of FP8 weights"));
  if (model.is_compressed) {
    html += Card(FormatBytes(model.stored_bytes),
                 absl::StrCat("stored, of ", FormatBytes(model.raw_bytes), " of tensors"));
  } else {
    html += Card(FormatBytes(model.estimated_directory_bytes),
                 absl::StrCat("all files in ECF8, from ", FormatBytes(model.directory_bytes)));
  }
  html +=
      Card(FormatDecimals(bits, 3), absl::StrCat("bits a weight; the limit of single exponents is ",
                                                 FormatDecimals(all.limit_bits, 3)));
  if (all.fitted_weights > 0) {
    html += Card(absl::StrCat("&alpha; = ", FormatDecimals(all.alpha, 2)),
                 absl::StrCat("tail index; it predicts ", FormatDecimals(all.predicted_entropy, 3),
                              " bits of exponent entropy, measured ",
                              FormatDecimals(all.fitted_entropy, 3)));
    html += Card(absl::StrCat("FP", FormatDecimals(2 + all.fitted_entropy, 2)),
                 absl::StrCat("sign, exponent and one bit of mantissa, measured; the paper's limit "
                              "for this &alpha; is FP",
                              FormatDecimals(all.paper_limit_bits, 2)));
  }
  return html + "</div>\n";
}

std::string Key(const std::vector<GroupSummary>& kinds) {
  std::string html = "<ul class=\"key\">";
  for (size_t i = 0; i < kinds.size(); ++i) {
    absl::StrAppend(&html, "<li><i class=\"", SeriesClass(i), "\"></i>", EscapeXml(kinds[i].kind),
                    "</li>");
  }
  return html + "</ul>\n";
}

// The measured histogram as bars, the predicted one as a dashed line.
std::string Histogram(const GroupSummary& kind, size_t series) {
  double total = 0;
  for (const uint64_t count : kind.exponents) total += static_cast<double>(count);
  double highest = 0;
  std::vector<double> shares;
  for (const uint64_t count : kind.exponents) {
    shares.push_back(100 * static_cast<double>(count) / total);
    highest = std::max(highest, shares.back());
  }
  for (const double share : kind.predicted_exponents) highest = std::max(highest, 100 * share);
  const auto count = static_cast<double>(shares.size());
  SvgPlot plot(340, 200, {-0.5, count - 0.5}, {0, highest * 1.05});
  plot.YAxis("% of weights", 0);
  for (size_t i = 0; i < shares.size(); ++i) {
    const auto x = static_cast<double>(i);
    plot.Bar(x - 0.4, x + 0.4, shares[i], SeriesClass(series),
             absl::StrCat("exponent ", i, ": ", FormatDecimals(shares[i], 2), " %"));
  }
  std::vector<PlotPoint> points;
  for (size_t i = 0; i < kind.predicted_exponents.size(); ++i) {
    points.push_back({static_cast<double>(i), 100 * kind.predicted_exponents[i]});
  }
  if (!points.empty()) plot.Line(points, "theory", "predicted by the stable law");
  plot.XAxis("exponent field", 0);
  std::string caption = absl::StrCat("H = ", FormatDecimals(kind.exponent_entropy, 3), " bits");
  if (kind.fitted_weights > 0) {
    absl::StrAppend(&caption, ", predicted ", FormatDecimals(kind.predicted_entropy, 3),
                    ", &alpha; = ", FormatDecimals(kind.alpha, 2));
  }
  return absl::StrCat("<figure><h3>", EscapeXml(kind.kind), "</h3>",
                      plot.Finish("exponent histogram of " + kind.kind), "<figcaption>", caption,
                      "</figcaption></figure>\n");
}

std::string Histograms(const std::vector<GroupSummary>& kinds) {
  std::string html =
      "<h2>Exponents by kind of tensor</h2>\n<p class=\"dim\">How often each value of the exponent "
      "field occurs. Dashed: what the fitted stable laws predict.</p>\n<div class=\"grid3\">\n";
  for (size_t i = 0; i < kinds.size(); ++i) html += Histogram(kinds[i], i);
  return html + "</div>\n";
}

// Calls visit(series, group) for every group of a plotted kind.
template <typename Visit>
void ForEachLayer(const std::vector<GroupSummary>& kinds, const std::vector<GroupSummary>& layers,
                  Visit visit) {
  for (const GroupSummary& group : layers) {
    const auto kind = std::find_if(kinds.begin(), kinds.end(), [&group](const GroupSummary& k) {
      return k.kind == group.kind;
    });
    if (kind != kinds.end()) visit(static_cast<size_t>(kind - kinds.begin()), group);
  }
}

std::string LayerTitle(const GroupSummary& group) {
  return absl::StrCat(group.kind, ", layer ", group.layer,
                      ": H = ", FormatDecimals(group.exponent_entropy, 3));
}

std::string ByDepth(const std::vector<GroupSummary>& kinds,
                    const std::vector<GroupSummary>& layers) {
  std::array<std::vector<PlotPoint>, kSeriesCount> lines;
  double low = 1e9;
  double high = 0;
  double deepest = 1;
  ForEachLayer(kinds, layers, [&](size_t series, const GroupSummary& group) {
    lines[series].push_back({static_cast<double>(group.layer), group.exponent_entropy});
    low = std::min(low, group.exponent_entropy);
    high = std::max(high, group.exponent_entropy);
    deepest = std::max(deepest, static_cast<double>(group.layer));
  });
  if (high == 0) return "";
  SvgPlot plot(1000, 340, {-0.3, deepest + 0.3}, Padded(low, high));
  plot.YAxis("H(exponent), bits", 2);
  plot.XAxis("layer", 0);
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (lines[i].size() > 1) plot.Line(lines[i], SeriesClass(i), kinds[i].kind);
  }
  ForEachLayer(kinds, layers, [&](size_t series, const GroupSummary& group) {
    plot.Dot({static_cast<double>(group.layer), group.exponent_entropy}, SeriesClass(series),
             LayerTitle(group));
  });
  return absl::StrCat(
      "<h2>Entropy by depth</h2>\n<p class=\"dim\">Bits that an exponent carries, of the four "
      "(E5M2: "
      "five) that FP8 spends on it; a layer's tensors of one kind together.</p>\n",
      Key(kinds), "<figure>", plot.Finish("exponent entropy by layer"), "</figure>\n");
}

std::string MeasuredAgainstPredicted(const std::vector<GroupSummary>& kinds,
                                     const std::vector<GroupSummary>& layers) {
  double low = 1e9;
  double high = 0;
  const auto each_fitted = [&](auto visit) {
    ForEachLayer(kinds, layers, [&visit](size_t series, const GroupSummary& group) {
      if (group.fitted_weights > 0) visit(series, group);
    });
  };
  each_fitted([&](size_t, const GroupSummary& group) {
    low = std::min({low, group.predicted_entropy, group.fitted_entropy});
    high = std::max({high, group.predicted_entropy, group.fitted_entropy});
  });
  if (high == 0) return "";
  const PlotRange range = Padded(low, high);
  SvgPlot plot(560, 420, range, range);
  plot.YAxis("measured, bits", 2);
  plot.XAxis("predicted by the stable law, bits", 2);
  plot.Line({{range.low, range.low}, {range.high, range.high}}, "theory", "measured as predicted");
  each_fitted([&](size_t series, const GroupSummary& group) {
    plot.Dot(
        {group.predicted_entropy, group.fitted_entropy}, SeriesClass(series),
        absl::StrCat(LayerTitle(group), ", predicted ", FormatDecimals(group.predicted_entropy, 3),
                     ", alpha ", FormatDecimals(group.alpha, 2)));
  });
  return absl::StrCat(
      "<h2>Measured against predicted</h2>\n<p class=\"dim\">The exponent entropy that an "
      "alpha-stable "
      "law with each tensor's own tail index and scale has, and the one it really has. On the "
      "dashed "
      "line they agree; below it, the weights are more concentrated than the law.</p>\n",
      Key(kinds), "<figure>", plot.Finish("measured against predicted exponent entropy"),
      "</figure>\n");
}

std::string TableRow(const std::string& name, const GroupSummary& group) {
  std::string html = absl::StrCat("<td>", name, "</td>");
  const bool fits = group.fitted_weights > 0;
  for (const std::string& cell :
       {FormatCount(group.weights), FormatDecimals(group.exponent_entropy, 3),
        fits ? FormatDecimals(group.predicted_entropy, 3) : "-",
        fits ? FormatDecimals(group.alpha, 2) : "-", FormatDecimals(group.byte_entropy, 3),
        FormatDecimals(group.limit_bits, 3), FormatDecimals(group.bits_per_weight(), 3),
        FormatSaving(group.weights, group.estimated_bytes)}) {
    absl::StrAppend(&html, "<td>", cell, "</td>");
  }
  return html;
}

std::string Table(const ModelAnalysis& model, const std::vector<GroupSummary>& kinds) {
  std::string html =
      "<h2>By kind</h2>\n<p class=\"dim\">Bits a weight. The limit is that of single exponents "
      "with a "
      "table a tensor: sign, mantissa and H(exponent).</p>\n<div "
      "class=\"wide\"><table>\n<tr><th>kind"
      "</th><th>weights</th><th>H(exp)</th><th>predicted</th><th>&alpha;</th><th>H(byte)</th>"
      "<th>limit</th><th>ECF8</th><th>saves</th></tr>\n";
  for (size_t i = 0; i < std::min(kinds.size(), kMaxTableRows); ++i) {
    absl::StrAppend(&html, "<tr>", TableRow(EscapeXml(kinds[i].kind), kinds[i]), "</tr>\n");
  }
  if (kinds.size() > kMaxTableRows) {
    absl::StrAppend(&html, "<tr><td colspan=\"9\">and ", kinds.size() - kMaxTableRows,
                    " smaller kinds</td></tr>\n");
  }
  GroupSummary all = SummarizeAll(model);
  all.estimated_bytes += model.tables_bytes;
  absl::StrAppend(&html, "<tr class=\"all\">", TableRow("all, with tables", all), "</tr>\n");
  return html + "</table></div>\n";
}

}  // namespace

std::string AnalysisHtml(const ModelAnalysis& model, std::string_view name) {
  const std::string title = EscapeXml(name);
  const GroupSummary all = SummarizeAll(model);
  std::string html = absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
      "name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" "
      "href=\"data:,\">\n<title>",
      title, " - ecf8 analyze</title>\n<style>", kAnalysisStyle,
      "</style>\n</head>\n<body>\n<main>\n", "<h1>", title, "</h1>\n<p>",
      EscapeXml(AnalysisAdvice(model)), "</p>\n");
  if (all.weights > 0) {
    const std::vector<GroupSummary> kinds = SummarizeKinds(model);
    const std::vector<GroupSummary> layers = SummarizeLayers(model);
    std::vector<GroupSummary> plotted(
        kinds.begin(),
        kinds.begin() + static_cast<ptrdiff_t>(std::min(kinds.size(), kSeriesCount)));
    absl::StrAppend(&html, Cards(model, all), Histograms(plotted), ByDepth(plotted, layers),
                    MeasuredAgainstPredicted(plotted, layers), Table(model, kinds));
  }
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace ecf8
