#include "loader/remote/pulled_files.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file_update.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/directory_listing.h"
#include "loader/model/other_files.h"

namespace ecf8 {
namespace {

// Sizes are the other side's word: together they must not overflow.
constexpr uint64_t kMaxModelBytes = uint64_t{1} << 60;

absl::Status RemoveOthers(const std::filesystem::path& directory, const Directory& record) {
  std::unordered_set<std::string_view> known;
  for (const ShardInfo& shard : record.shards) known.insert(shard.file_name);
  for (const OtherFile& file : record.files) known.insert(file.path);
  ECF8_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListFiles(directory.string()));
  for (const std::string& path : files) {
    if (known.contains(path)) continue;
    std::error_code error;
    std::filesystem::remove(directory / path, error);
    if (error) return ErrnoStatus(error.value(), absl::StrCat("cannot remove ", Quoted(path)));
    // The directories that it was the last in.
    std::filesystem::path parent = std::filesystem::path(path).parent_path();
    while (!parent.empty() && ::rmdir((directory / parent).c_str()) == 0) {
      parent = parent.parent_path();
    }
  }
  return absl::OkStatus();
}

// Whether the file has a hole there, so that nobody needs to read its zeros.
bool IsHole(const File& file, uint64_t offset_bytes, uint64_t size_bytes) {
  const off_t data = ::lseek(file.fd(), static_cast<off_t>(offset_bytes), SEEK_DATA);
  if (data < 0) return errno == ENXIO;
  return static_cast<uint64_t>(data) >= offset_bytes + size_bytes;
}

}  // namespace

absl::Status KeepOnly(const std::string& directory, const Directory& record) {
  if (record.shards.size() + record.files.size() > kMaxDirectoryEntries) {
    return absl::DataLossError("the model has more files than a directory may");
  }
  return RemoveOthers(directory, record);
}

absl::StatusOr<PulledFiles> PulledFiles::Open(std::shared_ptr<const CompressedModel> model,
                                              const std::string& directory) {
  PulledFiles pulled(std::move(model), directory);
  for (const Shard& shard : pulled.model_->shards()) {
    ECF8_RETURN_IF_ERROR(pulled.AddFile(shard.file_name, shard.size_bytes));
    pulled.files_.back().is_shard = true;
  }
  for (const OtherFile& other : pulled.model_->directory_record().files) {
    ECF8_RETURN_IF_ERROR(MakeParents(directory, other.path));
    ECF8_RETURN_IF_ERROR(pulled.AddFile(other.path, other.size_bytes));
    pulled.files_.back().xxh3 = other.xxh3;
  }
  return pulled;
}

absl::Status PulledFiles::AddFile(const std::string& path, uint64_t size_bytes) {
  if (size_bytes > kMaxModelBytes || this->size_bytes() > kMaxModelBytes - size_bytes) {
    return absl::DataLossError(absl::StrCat(Quoted(path), ": its size is none"));
  }
  ECF8_ASSIGN_OR_RETURN(File file, OpenForUpdate(absl::StrCat(directory_, "/", path)));
  files_.push_back({.path = path, .size_bytes = size_bytes, .file = std::move(file)});
  return absl::OkStatus();
}

uint64_t PulledFiles::size_bytes() const {
  uint64_t bytes = 0;
  for (const PulledFile& file : files_) bytes += file.size_bytes;
  return bytes;
}

absl::StatusOr<uint64_t> PulledFiles::MissingBytes() const {
  constexpr uint64_t kStatBlockBytes = 512;
  uint64_t missing = 0;
  for (const PulledFile& file : files_) {
    struct stat stat {};
    if (::fstat(file.file.fd(), &stat) != 0) {
      return ErrnoStatus(errno, absl::StrCat("cannot look at ", Quoted(file.path)));
    }
    const uint64_t occupied = static_cast<uint64_t>(stat.st_blocks) * kStatBlockBytes;
    missing += file.size_bytes - std::min(file.size_bytes, occupied);
  }
  return missing;
}

std::vector<PullPart> PulledFiles::ShardParts() const {
  std::vector<PullPart> parts;
  for (uint32_t u = 0; u < model_->unit_count(); ++u) {
    const Unit& unit = model_->unit(u);
    for (const StoredRun& run : SplitUnit(unit, kPullPartBytes)) {
      parts.push_back({.file = model_->shard_number_of(u),
                       .unit = u,
                       .offset_bytes = unit.offset_bytes + run.offset_bytes,
                       .run = run});
    }
  }
  return parts;
}

std::vector<PullPart> PulledFiles::PartsOf(uint32_t file) const {
  std::vector<PullPart> parts;
  const uint64_t size = files_[file].size_bytes;
  for (uint64_t offset = 0; offset < size; offset += kPullPartBytes) {
    parts.push_back({.file = file,
                     .offset_bytes = offset,
                     .run = {offset, std::min(kPullPartBytes, size - offset)}});
  }
  return parts;
}

bool PulledFiles::IsThere(const PullPart& part, std::vector<uint8_t>* buffer) const {
  const File& file = files_[part.file].file;
  if (IsHole(file, part.offset_bytes, part.size_bytes())) return false;
  buffer->resize(part.size_bytes());
  return file.ReadAt(part.offset_bytes, absl::MakeSpan(*buffer)).ok() &&
         CheckRun(model_->unit(part.unit), part.run, *buffer).ok();
}

absl::StatusOr<bool> PulledFiles::IsComplete(const PulledFile& file) const {
  ECF8_ASSIGN_OR_RETURN(const OtherFile there, HashFile(directory_, file.path, nullptr));
  return there.size_bytes == file.size_bytes && there.xxh3 == file.xxh3;
}

absl::StatusOr<std::vector<PullPart>> PulledFiles::FindMissing(
    const std::atomic<bool>* cancel, const std::function<void(uint64_t)>& found) {
  std::vector<PullPart> missing;
  std::vector<uint8_t> buffer;
  // What is small comes first: a model whose other files are not there is not begun.
  for (uint32_t f = 0; f < files_.size(); ++f) {
    PulledFile& file = files_[f];
    if (file.is_shard) continue;
    ECF8_ASSIGN_OR_RETURN(const bool complete, IsComplete(file));
    if (complete) {
      found(file.size_bytes);
      continue;
    }
    ECF8_RETURN_IF_ERROR(ResizeFile(file.file, file.size_bytes));
    const std::vector<PullPart> parts = PartsOf(f);
    if (parts.empty()) {
      return absl::DataLossError(
          absl::StrCat(Quoted(file.path), " has no bytes, and not the checksum of none"));
    }
    missing.insert(missing.end(), parts.begin(), parts.end());
  }
  for (const PullPart& part : ShardParts()) {
    if (cancel != nullptr && cancel->load()) return absl::CancelledError("cancelled");
    if (IsThere(part, &buffer)) {
      found(part.size_bytes());
    } else {
      missing.push_back(part);
    }
  }
  for (const PullPart& part : missing) ++files_[part.file].missing_parts;
  for (PulledFile& file : files_) {
    if (file.missing_parts == 0) ECF8_RETURN_IF_ERROR(file.file.Sync());
  }
  return missing;
}

absl::Status PulledFiles::Put(const PullPart& part, absl::Span<const uint8_t> bytes,
                              std::vector<PullPart>* again) {
  PulledFile& file = files_[part.file];
  if (file.is_shard) {
    const Unit& unit = model_->unit(part.unit);
    ECF8_RETURN_IF_ERROR(
        AddContext(CheckRun(unit, part.run, bytes), absl::StrCat("unit ", Quoted(unit.id))));
  }
  ECF8_RETURN_IF_ERROR(file.file.WriteAt(part.offset_bytes, bytes));
  if (--file.missing_parts > 0) return absl::OkStatus();
  if (!file.is_shard) {
    ECF8_ASSIGN_OR_RETURN(const bool complete, IsComplete(file));
    if (!complete) {
      *again = PartsOf(part.file);
      file.missing_parts = again->size();
      return absl::OkStatus();
    }
  }
  return file.file.Sync();
}

}  // namespace ecf8
