// What is said of a model that has just been compressed.
#ifndef ECF8_TOOLS_ECF8_COMPRESS_REPORT_H_
#define ECF8_TOOLS_ECF8_COMPRESS_REPORT_H_

#include <string>

#include "absl/status/status.h"
#include "loader/model/compress.h"

namespace ecf8 {

// Opens the model in `directory`; the errors of CompressedModel::Open.
absl::Status PrintCompressSummary(const std::string& directory, const CompressSummary& summary,
                                  bool json);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_COMPRESS_REPORT_H_
