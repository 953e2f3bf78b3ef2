#include "loader/remote/shard_head.h"

#include <unistd.h>

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/file_update.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/safetensors.h"
#include "loader/model/manifest.h"
#include "loader/model/model_directory.h"

namespace ecf8 {
namespace {

constexpr int kMaxFetches = 3;
constexpr uint64_t kLengthBytes = 8;  // that a safetensors file begins with
constexpr uint64_t kManifestFrameBytes = 64;

struct ShardHead {
  uint64_t file_size_bytes = 0;
  std::vector<uint8_t> header;  // with its length
  uint64_t manifest_offset_bytes = 0;
  std::vector<uint8_t> manifest;
};

absl::Status ReadInto(ObjectSource& source, const std::string& path, uint64_t offset_bytes,
                      absl::Span<uint8_t> out, uint64_t file_size_bytes) {
  ECF8_ASSIGN_OR_RETURN(const uint64_t size, ReadObject(source, {path, offset_bytes, out}));
  if (size == file_size_bytes) return absl::OkStatus();
  return absl::DataLossError("the file's size has changed while it was read");
}

// The whole of it matches its checksums.
absl::StatusOr<ShardHead> ReadHead(ObjectSource& source, const std::string& path) {
  ShardHead head;
  head.header.resize(kLengthBytes);
  ECF8_ASSIGN_OR_RETURN(head.file_size_bytes,
                        ReadObject(source, {path, 0, absl::MakeSpan(head.header)}));
  const uint64_t json_bytes = LoadLe64(head.header.data());
  if (json_bytes == 0 || json_bytes > kMaxSafetensorsHeaderBytes ||
      json_bytes > head.file_size_bytes - kLengthBytes) {
    return absl::DataLossError("it does not begin as a safetensors file does");
  }
  head.header.resize(kLengthBytes + json_bytes);
  const auto json = absl::MakeSpan(head.header).subspan(kLengthBytes);
  ECF8_RETURN_IF_ERROR(ReadInto(source, path, kLengthBytes, json, head.file_size_bytes));
  const auto header = ParseSafetensorsHeader(std::string(json.begin(), json.end()),
                                             head.file_size_bytes - head.header.size());
  if (!header.ok()) return absl::DataLossError(header.status().message());
  const SafetensorsTensor* const entry = FindManifest(*header);
  if (entry == nullptr) return absl::NotFoundError("the file is no shard of an ecf8 model");
  if (entry->size_bytes() == 0 || entry->size_bytes() > kMaxManifestBytes + kManifestFrameBytes) {
    return absl::DataLossError("the manifest's size is none");
  }
  head.manifest_offset_bytes = header->data_offset() + entry->begin;
  head.manifest.resize(entry->size_bytes());
  ECF8_RETURN_IF_ERROR(ReadInto(source, path, head.manifest_offset_bytes,
                                absl::MakeSpan(head.manifest), head.file_size_bytes));
  ECF8_ASSIGN_OR_RETURN(const Manifest manifest, ParseManifest(head.manifest));
  if (Xxh3(head.header) != manifest.header_xxh3) {
    return absl::DataLossError("the safetensors header does not match its checksum");
  }
  return head;
}

bool Holds(const File& file, uint64_t offset_bytes, const std::vector<uint8_t>& bytes) {
  std::vector<uint8_t> there(bytes.size());
  return file.ReadAt(offset_bytes, absl::MakeSpan(there)).ok() && there == bytes;
}

absl::Status WriteHead(const ShardHead& head, const std::string& path) {
  {
    ECF8_ASSIGN_OR_RETURN(const File file, OpenForUpdate(path));
    ECF8_ASSIGN_OR_RETURN(const uint64_t size, file.SizeBytes());
    if (size == head.file_size_bytes && Holds(file, 0, head.header) &&
        Holds(file, head.manifest_offset_bytes, head.manifest)) {
      return absl::OkStatus();
    }
  }
  ::unlink(path.c_str());
  ECF8_ASSIGN_OR_RETURN(File file, OpenForUpdate(path));
  ECF8_RETURN_IF_ERROR(ResizeFile(file, head.file_size_bytes));
  ECF8_RETURN_IF_ERROR(file.WriteAt(0, head.header));
  return file.WriteAt(head.manifest_offset_bytes, head.manifest);
}

absl::StatusOr<Shard> FetchOnce(ObjectSource& source, const std::string& directory,
                                const std::string& file_name) {
  absl::StatusOr<ShardHead> head = ReadHead(source, file_name);
  if (!head.ok()) return AddContext(head.status(), Quoted(file_name));
  ECF8_RETURN_IF_ERROR(WriteHead(*head, absl::StrCat(directory, "/", file_name)));
  ECF8_ASSIGN_OR_RETURN(const ModelDirectory opened, ModelDirectory::Open(directory));
  return OpenShard(opened, file_name);
}

}  // namespace

absl::StatusOr<Shard> FetchShardHead(ObjectSource& source, const std::string& directory,
                                     const std::string& file_name) {
  for (int fetches = 1;; ++fetches) {
    absl::StatusOr<Shard> shard = FetchOnce(source, directory, file_name);
    if (fetches == kMaxFetches || !absl::IsDataLoss(shard.status())) return shard;
  }
}

}  // namespace ecf8
