// An analysis as one HTML page with plots: no network, no script, small.
#ifndef ECF8_TOOLS_ECF8_ANALYSIS_HTML_H_
#define ECF8_TOOLS_ECF8_ANALYSIS_HTML_H_

#include <string>
#include <string_view>

#include "loader/analysis/analyze.h"

namespace ecf8 {

// The page for the model that is called `name`. Plots are by kind and layer, of the kinds with the
// most weights, so that the page stays below a megabyte whatever the model.
std::string AnalysisHtml(const ModelAnalysis& model, std::string_view name);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_ANALYSIS_HTML_H_
