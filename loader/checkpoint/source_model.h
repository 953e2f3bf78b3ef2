// A plain model as people have it: a Hugging Face directory, or one .safetensors file. (Tools also
// make models up: shards whose bytes exist only while they are read.)
#ifndef ECF8_LOADER_CHECKPOINT_SOURCE_MODEL_H_
#define ECF8_LOADER_CHECKPOINT_SOURCE_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/checkpoint/safetensors.h"
#include "loader/checkpoint/source_bytes.h"

namespace ecf8 {

struct SourceShard {
  std::string path;  // relative to the directory
  std::unique_ptr<const SourceBytes> bytes;
  SafetensorsHeader header;
};

// A tensor of the model, by shard and place in that shard's header.
struct TensorRef {
  uint32_t shard = 0;
  uint32_t tensor = 0;
};

struct SourceModel {
  std::string directory;                 // absolute; of a single file: its parent
  bool is_single_file = false;           // then there are no other files
  std::vector<SourceShard> shards;       // in order of name
  std::string index_path;                // "model.safetensors.index.json", or empty
  bool has_config = false;               // config.json
  std::vector<std::string> other_paths;  // every other regular file, relative, sorted, '/' between
                                         // components; config.json and the index are not among them

  const SafetensorsTensor& tensor(TensorRef ref) const {
    return shards[ref.shard].header.tensors[ref.tensor];
  }
};

// Opens every shard and parses its header. The shards are those that "model.safetensors.index.json"
// lists (or the only other *.safetensors.index.json), or else all *.safetensors of the directory
// itself, hidden ones and those of subdirectories excepted. A tensor that a shard holds and the
// index does not list belongs to the model: transformers, too, loads whole shards. Symbolic links
// to files are followed (the hub's cache is made of them); links to directories and special files
// are errors. Errors: NOT_FOUND (a shard of the index is missing; nothing to compress),
// INVALID_ARGUMENT (a bad header, a name in two shards, a tensor that the index puts elsewhere, a
// shard name with '/' or '..', a name that begins with kReservedPrefix: the model is compressed
// already), FAILED_PRECONDITION (what ListFiles refuses), ...; each names the file and, where there
// is one, the tensor.
absl::StatusOr<SourceModel> OpenSourceModel(const std::string& path);

// SourceBytes::CheckUnchanged of every shard, up to the first that has changed.
absl::Status CheckSourceUnchanged(const SourceModel& model);

}  // namespace ecf8

#endif  // ECF8_LOADER_CHECKPOINT_SOURCE_MODEL_H_
