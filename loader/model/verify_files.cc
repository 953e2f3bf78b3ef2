#include "loader/model/verify_files.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/directory_listing.h"
#include "loader/model/original.h"
#include "loader/model/other_files.h"

namespace ecf8 {
namespace {

constexpr uint64_t kBlockBytes = uint64_t{1} << 20;
constexpr char kConfig[] = "config.json";

std::string Join(const std::string& directory, const std::string& path) {
  return absl::StrCat(directory, "/", path);
}

// DATA_LOSS where the files differ.
absl::Status CompareFiles(const std::string& first, const std::string& second,
                          const std::atomic<bool>* cancel) {
  ECF8_ASSIGN_OR_RETURN(const File a, File::OpenForRead(first));
  ECF8_ASSIGN_OR_RETURN(const File b, File::OpenForRead(second));
  ECF8_ASSIGN_OR_RETURN(const uint64_t size, a.SizeBytes());
  ECF8_ASSIGN_OR_RETURN(const uint64_t other_size, b.SizeBytes());
  if (size != other_size) return absl::DataLossError("the size is another");
  std::vector<uint8_t> of_a(std::min(size, kBlockBytes));
  std::vector<uint8_t> of_b(of_a.size());
  for (uint64_t offset = 0; offset < size; offset += of_a.size()) {
    if (cancel != nullptr && cancel->load()) return absl::CancelledError("cancelled");
    of_a.resize(std::min(kBlockBytes, size - offset));
    of_b.resize(of_a.size());
    ECF8_RETURN_IF_ERROR(a.ReadAt(offset, absl::MakeSpan(of_a)));
    ECF8_RETURN_IF_ERROR(b.ReadAt(offset, absl::MakeSpan(of_b)));
    const auto different = std::mismatch(of_a.begin(), of_a.end(), of_b.begin()).first;
    if (different == of_a.end()) continue;
    return absl::DataLossError(absl::StrCat(
        "byte ", offset + static_cast<uint64_t>(different - of_a.begin()), " is another"));
  }
  return absl::OkStatus();
}

// Compares the kept and the copied files with those of a source.
class FilesAgainst {
 public:
  FilesAgainst(const std::string& directory, const Directory& record, const SourceModel& source,
               const std::atomic<bool>* cancel, ProblemList* problems)
      : directory_(directory),
        record_(record),
        source_(source),
        cancel_(cancel),
        problems_(problems) {}

  absl::Status Run() {
    for (const SourceShard& shard : source_.shards) CompareHeader(shard);
    for (const Original& original : record_.originals) {
      known_.insert(original.path);
      if (original.kind == Original::Kind::kFile) CompareKept(original);
    }
    for (const OtherFile& file : record_.files) {
      if (file.generated || !known_.insert(file.path).second) continue;
      absl::Status status =
          CompareFiles(Join(directory_, file.path), Join(source_.directory, file.path), cancel_);
      if (status.code() == absl::StatusCode::kCancelled) return status;
      problems_->AddStatus(AddContext(
          status, absl::StrCat("the file ", Quoted(file.path), " is not that of the original")));
    }
    FindMissing();
    return absl::OkStatus();
  }

 private:
  void CompareHeader(const SourceShard& shard) {
    for (const Original& original : record_.originals) {
      if (original.path != shard.path) continue;
      const absl::StatusOr<std::string> kept = InflateOriginal(original);
      if (!kept.ok()) return problems_->AddStatus(kept.status());
      if (*kept != SafetensorsHead(shard.header.json)) {
        problems_->Add(
            absl::StrCat("the header of ", Quoted(shard.path), " is not that of the original"));
      }
      return;
    }
    problems_->Add(MissingFile(shard.path));
  }

  void CompareKept(const Original& original) {
    const absl::StatusOr<std::string> kept = InflateOriginal(original);
    if (!kept.ok()) return problems_->AddStatus(kept.status());
    const absl::StatusOr<std::string> content =
        ReadFile(Join(source_.directory, original.path), kMaxOriginalBytes);
    if (!content.ok()) return problems_->AddStatus(content.status());
    if (*kept != *content) {
      problems_->Add(
          absl::StrCat("the kept ", Quoted(original.path), " is not the file of the original"));
    }
  }

  void FindMissing() {
    std::vector<std::string> paths = source_.other_paths;
    if (source_.has_config) paths.push_back(kConfig);
    if (!source_.index_path.empty()) paths.push_back(source_.index_path);
    for (const std::string& path : paths) {
      if (!known_.contains(path)) problems_->Add(MissingFile(path));
    }
  }

  static std::string MissingFile(const std::string& path) {
    return absl::StrCat("the file ", Quoted(path), " of the original is not in the model");
  }

  const std::string& directory_;
  const Directory& record_;
  const SourceModel& source_;
  const std::atomic<bool>* const cancel_;
  ProblemList* const problems_;
  std::unordered_set<std::string_view> known_;
};

}  // namespace

absl::Status VerifyOtherFiles(const std::string& directory, const Directory& record,
                              const std::atomic<bool>* cancel, ProblemList* problems) {
  for (const OtherFile& file : record.files) {
    const absl::StatusOr<OtherFile> actual = HashFile(directory, file.path, cancel);
    if (actual.status().code() == absl::StatusCode::kCancelled) return actual.status();
    if (!actual.ok()) {
      problems->AddStatus(
          AddContext(actual.status(), absl::StrCat("the file ", Quoted(file.path))));
    } else if (actual->size_bytes != file.size_bytes || actual->xxh3 != file.xxh3) {
      problems->Add(absl::StrCat("the file ", Quoted(file.path), " does not match its checksum"));
    }
  }
  return absl::OkStatus();
}

absl::Status VerifyFilesAgainst(const std::string& directory, const Directory& record,
                                const SourceModel& source, const std::atomic<bool>* cancel,
                                ProblemList* problems) {
  return FilesAgainst(directory, record, source, cancel, problems).Run();
}

std::vector<std::string> FindExtraFiles(const std::string& directory, const Directory& record) {
  absl::StatusOr<std::vector<std::string>> files = ListFiles(directory);
  if (!files.ok()) {
    return {absl::StrCat("cannot look for further files: ", files.status().message())};
  }
  std::unordered_set<std::string_view> known;
  for (const ShardInfo& shard : record.shards) known.insert(shard.file_name);
  for (const OtherFile& file : record.files) known.insert(file.path);
  std::vector<std::string> notes;
  for (const std::string& path : *files) {
    if (known.contains(path)) continue;
    notes.push_back(absl::StrCat("the file ", Quoted(path), " does not belong to the model"));
  }
  return notes;
}

}  // namespace ecf8
