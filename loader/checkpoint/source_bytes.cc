#include "loader/checkpoint/source_bytes.h"

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"

namespace ecf8 {

absl::StatusOr<std::unique_ptr<SourceFile>> SourceFile::Open(const std::string& path) {
  ECF8_ASSIGN_OR_RETURN(File file, File::OpenForRead(path));
  ECF8_ASSIGN_OR_RETURN(const FileIdentity identity, file.Identity());
  return std::unique_ptr<SourceFile>(new SourceFile(std::move(file), identity));
}

absl::Status SourceFile::CheckUnchanged() const {
  ECF8_ASSIGN_OR_RETURN(const FileIdentity now, file_.Identity());
  if (now == identity_) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(Quoted(file_.path(), 1024), " has changed while it was read"));
}

}  // namespace ecf8
