// An analysis for people (a table by kind and a sentence of advice) and for programs (JSON).
#ifndef ECF8_TOOLS_ECF8_ANALYSIS_REPORT_H_
#define ECF8_TOOLS_ECF8_ANALYSIS_REPORT_H_

#include <string>

#include "loader/analysis/analyze.h"
#include "nlohmann/json.hpp"

namespace ecf8 {

// By kind, or with `by_tensor` a row a tensor; then totals, theory and advice.
std::string AnalysisText(const ModelAnalysis& model, bool by_tensor);

// One sentence or two: whether to compress, and why.
std::string AnalysisAdvice(const ModelAnalysis& model);

// Everything, every tensor included. Keys end in _bytes or _bits_per_weight where they have a unit;
// what there is not (a law that does not fit, sizes of a model that is not compressed) is null.
nlohmann::ordered_json AnalysisJson(const ModelAnalysis& model);

// 1 - now / before: "14.8 %"; "-" where there was nothing.
std::string FormatSaving(uint64_t before_bytes, uint64_t after_bytes);

// "12345", "106.2 M".
std::string FormatCount(uint64_t count);

// "2.681".
std::string FormatDecimals(double value, int decimals);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_ANALYSIS_REPORT_H_
