#include "tools/ecf8/compress_report.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/model/compressed_model.h"
#include "tools/ecf8/command.h"
#include "tools/ecf8/model_summary.h"
#include "tools/ecf8/text.h"

namespace ecf8 {

absl::Status PrintCompressSummary(const std::string& directory, const CompressSummary& summary,
                                  bool json) {
  ECF8_ASSIGN_OR_RETURN(const auto model, CompressedModel::Open(directory));
  if (json) {
    nlohmann::ordered_json document = SummaryJson(*model);
    document["seconds"] = summary.seconds;
    document["gbps"] = static_cast<double>(summary.raw_bytes) / summary.seconds / 1e9;
    PrintJson(document);
    return absl::OkStatus();
  }
  const std::string text = absl::StrCat(SummaryText(*model), "\n", FormatBytes(summary.raw_bytes),
                                        " in ", FormatSeconds(summary.seconds), ", ",
                                        FormatRate(summary.raw_bytes, summary.seconds), "\n");
  std::fputs(text.c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace ecf8
