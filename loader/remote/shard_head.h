// What a shard says about itself, fetched before its weights.
#ifndef ECF8_LOADER_REMOTE_SHARD_HEAD_H_
#define ECF8_LOADER_REMOTE_SHARD_HEAD_H_

#include <string>

#include "absl/status/statusor.h"
#include "loader/model/shard.h"
#include "loader/remote/object_source.h"

namespace ecf8 {

// Fetches header and manifest of the shard `file_name` and puts them where they belong into a file
// of that name in `directory`, whose other bytes are zeros that take no room. A file that is there
// with the same size, header and manifest stays as it is, weights included; any other is replaced.
// Damaged ones are fetched again, three times in all. NOT_FOUND (no such file, or one that is no
// shard of a compressed model), UNIMPLEMENTED (another version), DATA_LOSS, the errors of a read.
absl::StatusOr<Shard> FetchShardHead(ObjectSource& source, const std::string& directory,
                                     const std::string& file_name);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_SHARD_HEAD_H_
