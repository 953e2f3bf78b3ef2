#include "loader/model/shard_writer.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "decoder/status_macros.h"

namespace ecf8 {
namespace {

absl::Span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

ShardWriter::ShardWriter(File file, std::string file_name, uint64_t header_size_bytes)
    : file_(std::move(file)),
      file_name_(std::move(file_name)),
      header_size_bytes_(header_size_bytes),
      units_(header_size_bytes) {}

absl::StatusOr<ShardWriter> ShardWriter::Create(const std::string& directory,
                                                const std::string& file_name,
                                                uint64_t header_size_bytes) {
  ECF8_ASSIGN_OR_RETURN(File file, File::CreateForWrite(absl::StrCat(directory, "/", file_name)));
  return ShardWriter(std::move(file), file_name, header_size_bytes);
}

absl::Status ShardWriter::BeginUnit(const std::string& id, const UnitTables& tables) {
  const std::vector<uint8_t> stored = units_.BeginUnit(id, tables);
  if (stored.empty()) return absl::OkStatus();
  return file_.WriteAt(units_.units().back().offset_bytes, stored);
}

absl::Status ShardWriter::AddChunk(absl::Span<const uint8_t> stored, uint64_t xxh3) {
  const uint64_t begin = units_.AddChunk(static_cast<uint32_t>(stored.size()), xxh3);
  return file_.WriteAt(begin, stored);
}

absl::StatusOr<ShardInfo> ShardWriter::Finish(Manifest manifest,
                                              const SafetensorsMetadata& metadata) {
  const uint64_t offset = units_.manifest_offset_bytes();
  manifest.units = std::move(units_).Take();
  // The header holds the manifest's size and the manifest the header's checksum, so it is made
  // twice.
  ECF8_ASSIGN_OR_RETURN(std::string bytes, SerializeManifest(manifest));
  ECF8_ASSIGN_OR_RETURN(
      const std::string header,
      BuildShardHeader(ShardCover(manifest.units, header_size_bytes_, offset, bytes.size()),
                       metadata, header_size_bytes_));
  manifest.header_xxh3 = Xxh3(AsBytes(header));
  ECF8_ASSIGN_OR_RETURN(bytes, SerializeManifest(manifest));
  ECF8_RETURN_IF_ERROR(file_.WriteAt(offset, AsBytes(bytes)));
  ECF8_RETURN_IF_ERROR(file_.WriteAt(0, AsBytes(header)));
  ECF8_RETURN_IF_ERROR(file_.Sync());
  const uint64_t checksum = LoadLe64(AsBytes(bytes).data() + bytes.size() - 8);
  return ShardInfo{file_name_, offset + bytes.size(), checksum};
}

}  // namespace ecf8
