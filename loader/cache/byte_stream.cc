#include "loader/cache/byte_stream.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {

absl::StatusOr<std::vector<uint8_t>> ReadWhole(const std::string& path, uint64_t limit_bytes) {
  ECF8_ASSIGN_OR_RETURN(const File file, File::OpenForRead(path));
  ECF8_ASSIGN_OR_RETURN(const uint64_t size_bytes, file.SizeBytes());
  if (size_bytes > limit_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(Quoted(path), " is larger than ", FormatBytes(limit_bytes), ", the limit"));
  }
  std::vector<uint8_t> bytes(size_bytes);
  ECF8_RETURN_IF_ERROR(file.ReadAt(0, absl::MakeSpan(bytes)));
  return bytes;
}

}  // namespace ecf8
