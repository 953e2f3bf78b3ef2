// What compress, decompress and verify have in common.
#ifndef ECF8_LOADER_MODEL_JOB_H_
#define ECF8_LOADER_MODEL_JOB_H_

#include <string>

#include "absl/status/status.h"

namespace ecf8 {

// INVALID_ARGUMENT where source and destination are the same, or one lies inside the other,
// symbolic links resolved. (A source that is a single file may lie beside the destination, not in
// it.)
absl::Status CheckDisjoint(const std::string& source, const std::string& destination);

// `threads`, or one a core where it is not positive.
int ThreadCount(int threads);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_JOB_H_
