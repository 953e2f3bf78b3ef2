#include "loader/model/compress_files.h"

#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/source_model.h"
#include "loader/model/config_rewrite.h"
#include "loader/model/original.h"
#include "loader/model/other_files.h"
#include "loader/model/shard.h"

namespace ecf8 {
namespace {

constexpr char kConfig[] = "config.json";

// Everything that is not weights.
class FilesWriter {
 public:
  FilesWriter(const CompressPlan& plan, const std::string& to, const std::atomic<bool>* cancel,
              Directory* record, CompressedSizes* sizes)
      : plan_(plan),
        source_(*plan.source),
        to_(to),
        cancel_(cancel),
        record_(record),
        sizes_(sizes) {}

  absl::Status Run() {
    for (const std::string& path : source_.other_paths) {
      ECF8_RETURN_IF_ERROR(CheckIsNoShard(path));
      ECF8_RETURN_IF_ERROR(Copy(path));
    }
    if (source_.has_config) ECF8_RETURN_IF_ERROR(WriteConfig());
    ECF8_RETURN_IF_ERROR(WriteIndex());
    return KeepHeaders();
  }

 private:
  std::string SourcePath(const std::string& path) const {
    return absl::StrCat(source_.directory, "/", path);
  }

  // Readers find the model by its manifests: a file that only lies there must not pass for a shard.
  absl::Status CheckIsNoShard(const std::string& path) const {
    if (path.find('/') != std::string::npos || !path.ends_with(".safetensors")) {
      return absl::OkStatus();
    }
    ECF8_ASSIGN_OR_RETURN(const File file, File::OpenForRead(SourcePath(path)));
    const absl::StatusOr<SafetensorsHeader> header = ReadSafetensorsHeader(file);
    if (!header.ok() || FindManifest(*header) == nullptr) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(SourcePath(path)), " is a shard of a compressed model"));
  }

  absl::Status Copy(const std::string& path) {
    ECF8_ASSIGN_OR_RETURN(OtherFile file, CopyFile(source_.directory, to_, path, cancel_));
    sizes_->raw += file.size_bytes;
    sizes_->stored += file.size_bytes;
    record_->files.push_back(std::move(file));
    return absl::OkStatus();
  }

  absl::Status Write(const std::string& path, std::string_view content, bool generated) {
    ECF8_ASSIGN_OR_RETURN(OtherFile file,
                          WriteFile(to_, path, content, generated ? "" : SourcePath(path)));
    file.generated = generated;
    sizes_->stored += file.size_bytes;
    record_->files.push_back(std::move(file));
    return absl::OkStatus();
  }

  absl::Status Keep(Original::Kind kind, const std::string& path, std::string_view bytes,
                    uint64_t data_size_bytes) {
    ECF8_ASSIGN_OR_RETURN(Original original, DeflateOriginal(kind, path, bytes));
    original.data_size_bytes = data_size_bytes;
    record_->originals.push_back(std::move(original));
    sizes_->raw += bytes.size();
    return absl::OkStatus();
  }

  absl::Status WriteConfig() {
    const absl::StatusOr<std::string> content = ReadFile(SourcePath(kConfig), kMaxConfigBytes);
    if (content.status().code() == absl::StatusCode::kResourceExhausted) return Copy(kConfig);
    if (!content.ok()) return content.status();
    const std::optional<std::string> rewritten = RewriteConfig(*content);
    if (!rewritten) return Copy(kConfig);
    ECF8_RETURN_IF_ERROR(Keep(Original::Kind::kFile, kConfig, *content, 0));
    return Write(kConfig, *rewritten, false);
  }

  absl::Status WriteIndex() {
    if (plan_.index_name.empty()) return absl::OkStatus();
    const bool generated = source_.index_path.empty();
    if (!generated) {
      ECF8_ASSIGN_OR_RETURN(const std::string content,
                            ReadFile(SourcePath(source_.index_path), kMaxOriginalBytes));
      ECF8_RETURN_IF_ERROR(Keep(Original::Kind::kFile, source_.index_path, content, 0));
    }
    return Write(plan_.index_name, BuildIndex(plan_), generated);
  }

  absl::Status KeepHeaders() {
    for (const SourceShard& shard : source_.shards) {
      const uint64_t data_size = shard.bytes->size_bytes() - shard.header.data_offset();
      ECF8_RETURN_IF_ERROR(Keep(Original::Kind::kSafetensorsHeader, shard.path,
                                SafetensorsHead(shard.header.json), data_size));
    }
    return absl::OkStatus();
  }

  const CompressPlan& plan_;
  const SourceModel& source_;
  const std::string& to_;
  const std::atomic<bool>* const cancel_;
  Directory* const record_;
  CompressedSizes* const sizes_;
};

}  // namespace

absl::Status WriteCompressFiles(const CompressPlan& plan, const std::string& directory,
                                const std::atomic<bool>* cancel, Directory* record,
                                CompressedSizes* sizes) {
  return FilesWriter(plan, directory, cancel, record, sizes).Run();
}

}  // namespace ecf8
