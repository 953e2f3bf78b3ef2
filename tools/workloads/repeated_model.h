// A compressed model of any size on a small disk: all of it is there but the bytes of its weights.
//
//   DIRECTORY/model  a compressed directory as `ecf8 compress` writes it: headers, manifests and
//                    every checksum in them. Its weights are holes.
//   DIRECTORY/bytes  one shard that has each kind of unit once, experts several times: real weights
//                    made up, really encoded. The model's units are its units, again and again.
//
// A reader that puts the second in place of the holes (RepeatedCalls) serves a model whose every
// checksum is right.
#ifndef ECF8_TOOLS_WORKLOADS_REPEATED_MODEL_H_
#define ECF8_TOOLS_WORKLOADS_REPEATED_MODEL_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/io/read_calls.h"
#include "loader/model/compressed_model.h"
#include "tools/workloads/moe_shape.h"

namespace ecf8 {

struct RepeatedModelOptions {
  MoeShape shape{};
  uint32_t experts_per_token = 8;  // for config.json
  uint32_t variants = 4;           // experts that differ
  uint64_t seed = 1;
};

// The directory is made; it must not be there. CANCELLED where `cancel` is set meanwhile.
absl::Status WriteRepeatedModel(const RepeatedModelOptions& options, const std::string& directory,
                                const std::atomic<bool>* cancel);

std::string RepeatedModelPath(const std::string& directory);  // of what is served

// Where the bytes of a model's units are. Immutable.
class RepeatedBytes {
 public:
  // `model` is the one of the directory. DATA_LOSS where it has a unit that is not in the bytes.
  static absl::StatusOr<std::unique_ptr<RepeatedBytes>> Open(
      std::shared_ptr<const CompressedModel> model, const std::string& directory);

  // The shard that an open file is; nullopt for another file.
  std::optional<uint32_t> ShardOf(int fd) const;

  // Where in the file of bytes the range of a shard begins, which lies in one unit and the gap
  // behind it; nullopt for header and manifest, which are in the shard itself.
  std::optional<uint64_t> Find(uint32_t shard, uint64_t offset_bytes) const;

  const File& bytes() const { return bytes_->shards()[0].file; }

 private:
  RepeatedBytes() = default;

  std::shared_ptr<const CompressedModel> model_;
  std::shared_ptr<const CompressedModel> bytes_;
  struct Place {
    uint64_t begin = 0;  // in the shard
    uint64_t end = 0;    // rounded up to a block
    uint64_t at = 0;     // in the file of bytes
  };
  std::vector<std::vector<Place>> places_;  // by shard, ascending
  std::map<std::pair<uint64_t, uint64_t>, uint32_t> shard_by_inode_;
};

// Reads the model's units from the bytes, everything else as it is. For the reader of threads:
// io_uring does not ask. `pace` is called with what was read, and may wait; where `with_bytes` is
// false, units are not read at all, and what the memory holds stays.
class RepeatedCalls final : public ReadCalls {
 public:
  RepeatedCalls(const RepeatedBytes& bytes, bool with_bytes,
                std::function<void(uint64_t size_bytes)> pace)
      : bytes_(bytes), with_bytes_(with_bytes), pace_(std::move(pace)) {}

  int64_t Read(int fd, absl::Span<uint8_t> memory, uint64_t offset_bytes) override;

 private:
  const RepeatedBytes& bytes_;
  const bool with_bytes_;
  const std::function<void(uint64_t size_bytes)> pace_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_WORKLOADS_REPEATED_MODEL_H_
