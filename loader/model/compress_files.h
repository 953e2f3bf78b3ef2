// What `compress` writes beside the shards.
#ifndef ECF8_LOADER_MODEL_COMPRESS_FILES_H_
#define ECF8_LOADER_MODEL_COMPRESS_FILES_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "loader/model/compress_plan.h"
#include "loader/model/manifest.h"

namespace ecf8 {

// The size of the source's files, and of those written.
struct CompressedSizes {
  uint64_t raw = 0;
  uint64_t stored = 0;
};

// Writes every file of the plan's source that is no shard, and the index, into `directory`; puts
// them, and what `decompress` needs of the source, into `record`, and adds their sizes. CANCELLED
// where `cancel`, which may be null, is set meanwhile.
absl::Status WriteCompressFiles(const CompressPlan& plan, const std::string& directory,
                                const std::atomic<bool>* cancel, Directory* record,
                                CompressedSizes* sizes);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_COMPRESS_FILES_H_
