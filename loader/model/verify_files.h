// Verifies what is not weights: the files beside the shards, and that they are those of an
// original.
#ifndef ECF8_LOADER_MODEL_VERIFY_FILES_H_
#define ECF8_LOADER_MODEL_VERIFY_FILES_H_

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "loader/checkpoint/source_model.h"
#include "loader/model/manifest.h"
#include "loader/model/problem_list.h"

namespace ecf8 {

// Every file of `record` that is no shard: there, of the right size, with the right hash. Only
// CANCELLED is an error.
absl::Status VerifyOtherFiles(const std::string& directory, const Directory& record,
                              const std::atomic<bool>* cancel, ProblemList* problems);

// That `decompress` would give back the files of `source`, whose tensors are compared elsewhere.
// Only CANCELLED is an error.
absl::Status VerifyFilesAgainst(const std::string& directory, const Directory& record,
                                const SourceModel& source, const std::atomic<bool>* cancel,
                                ProblemList* problems);

// The files of `directory` that `record` does not know. They are no fault.
std::vector<std::string> FindExtraFiles(const std::string& directory, const Directory& record);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_VERIFY_FILES_H_
