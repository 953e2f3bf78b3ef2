#include "loader/model/other_files.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;

using BlockFunction = std::function<absl::Status(uint64_t offset, absl::Span<const uint8_t> block)>;

// Reads `file` from front to back; the result has its size and hash.
absl::StatusOr<OtherFile> Stream(const File& file, const std::string& path,
                                 const std::atomic<bool>* cancel, const BlockFunction& function) {
  ECF8_ASSIGN_OR_RETURN(const FileIdentity before, file.Identity());
  std::vector<uint8_t> buffer(std::min<uint64_t>(kBlockBytes, before.size_bytes));
  Xxh3Stream hash;
  for (uint64_t offset = 0; offset < before.size_bytes; offset += kBlockBytes) {
    if (cancel != nullptr && cancel->load()) return absl::CancelledError("cancelled");
    const auto block =
        absl::MakeSpan(buffer).first(std::min<uint64_t>(kBlockBytes, before.size_bytes - offset));
    ECF8_RETURN_IF_ERROR(file.ReadAt(offset, block));
    hash.Update(block);
    if (function) ECF8_RETURN_IF_ERROR(function(offset, block));
  }
  ECF8_ASSIGN_OR_RETURN(const FileIdentity after, file.Identity());
  if (before != after) {
    return absl::FailedPreconditionError(
        absl::StrCat(Quoted(file.path()), " changed while it was read"));
  }
  return OtherFile{path, before.size_bytes, hash.Digest()};
}

std::string Join(const std::string& directory, const std::string& path) {
  return absl::StrCat(directory, "/", path);
}

absl::Status CopyMode(const std::string& from, const std::string& to) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(from, error);
  if (!error) {
    // Never the set-user-ID bits, and always readable by the owner: the copy was made to be read.
    const auto mode =
        (status.permissions() & std::filesystem::perms(0777)) | std::filesystem::perms::owner_read;
    std::filesystem::permissions(to, mode, error);
  }
  if (error) return ErrnoStatus(error.value(), absl::StrCat("cannot set the mode of ", Quoted(to)));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OtherFile> CopyFile(const std::string& from_directory,
                                   const std::string& to_directory, const std::string& path,
                                   const std::atomic<bool>* cancel) {
  const std::string from = Join(from_directory, path);
  const std::string to = Join(to_directory, path);
  ECF8_ASSIGN_OR_RETURN(const File source, File::OpenForRead(from));
  ECF8_RETURN_IF_ERROR(MakeParents(to_directory, path));
  ECF8_ASSIGN_OR_RETURN(File target, File::CreateForWrite(to));
  ECF8_ASSIGN_OR_RETURN(
      OtherFile copied,
      Stream(source, path, cancel, [&target](uint64_t offset, absl::Span<const uint8_t> block) {
        return target.WriteAt(offset, block);
      }));
  ECF8_RETURN_IF_ERROR(CopyMode(from, to));
  ECF8_RETURN_IF_ERROR(target.Sync());
  return copied;
}

absl::StatusOr<OtherFile> WriteFile(const std::string& directory, const std::string& path,
                                    std::string_view content, const std::string& mode_of) {
  ECF8_RETURN_IF_ERROR(MakeParents(directory, path));
  const std::string to = Join(directory, path);
  ECF8_ASSIGN_OR_RETURN(File file, File::CreateForWrite(to));
  const absl::Span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(content.data()),
                                        content.size());
  ECF8_RETURN_IF_ERROR(file.WriteAt(0, bytes));
  if (!mode_of.empty()) ECF8_RETURN_IF_ERROR(CopyMode(mode_of, to));
  ECF8_RETURN_IF_ERROR(file.Sync());
  return OtherFile{path, content.size(), Xxh3(bytes)};
}

absl::StatusOr<OtherFile> HashFile(const std::string& directory, const std::string& path,
                                   const std::atomic<bool>* cancel) {
  ECF8_ASSIGN_OR_RETURN(const File file, File::OpenForRead(Join(directory, path)));
  return Stream(file, path, cancel, nullptr);
}

absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes) {
  ECF8_ASSIGN_OR_RETURN(const File file, File::OpenForRead(path));
  ECF8_ASSIGN_OR_RETURN(const uint64_t size, file.SizeBytes());
  if (size > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(Quoted(path), " has ", size, " bytes, more than ", max_bytes));
  }
  std::string content(size, '\0');
  ECF8_RETURN_IF_ERROR(
      file.ReadAt(0, {reinterpret_cast<uint8_t*>(content.data()), content.size()}));
  return content;
}

absl::Status MakeParents(const std::string& directory, const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return absl::OkStatus();
  const std::string parent = Join(directory, path.substr(0, slash));
  std::error_code error;
  std::filesystem::create_directories(parent, error);
  if (error) return ErrnoStatus(error.value(), absl::StrCat("cannot make ", Quoted(parent)));
  return absl::OkStatus();
}

}  // namespace ecf8
