#include "loader/serve/model_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/beneath.h"
#include "loader/base/descriptor.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"

namespace ecf8 {
absl::StatusOr<ModelFile> FindModelFile(std::shared_ptr<const CompressedModel> model,
                                        std::string_view path) {
  for (const Shard& shard : model->shards()) {
    if (shard.file_name != path) continue;
    return ModelFile{.model = model,
                     .path = std::string(path),
                     .size_bytes = shard.size_bytes,
                     .shard = &shard.file};
  }
  for (const OtherFile& other : model->directory_record().files) {
    if (other.path != path) continue;
    return ModelFile{.model = model, .path = std::string(path), .size_bytes = other.size_bytes};
  }
  return WithErrorInfo(absl::NotFoundError(absl::StrCat("model ", Quoted(model->name()),
                                                        " has no file ", Quoted(path))),
                       {.reason = ErrorReason::kBadRequest, .model = model->name()});
}

absl::StatusOr<File> OpenOtherFile(const ModelFile& file) {
  ECF8_ASSIGN_OR_RETURN(const Descriptor root, OpenDirectory(file.model->directory()));
  ECF8_ASSIGN_OR_RETURN(Descriptor descriptor, OpenBeneath(root, file.path, File::kReadFlags));
  ECF8_ASSIGN_OR_RETURN(File opened, File::FromDescriptor(std::move(descriptor), file.path));
  ECF8_ASSIGN_OR_RETURN(const uint64_t size_bytes, opened.SizeBytes());
  if (size_bytes == file.size_bytes) return opened;
  return absl::DataLossError(absl::StrCat("it has ", size_bytes, " bytes now"));
}

absl::Status ModelFileFailure(const ModelFile& file, const absl::Status& status) {
  const std::string& model = file.model->name();
  const std::string name = absl::StrCat("model ", Quoted(model), ": the file ", Quoted(file.path));
  const ErrorInfo info = {.reason = ErrorReason::kReadFailed, .model = model};
  if (absl::IsResourceExhausted(status)) {
    return WithErrorInfo(
        absl::ResourceExhaustedError(absl::StrCat(name, " cannot be read now: try again later")),
        info);
  }
  if (absl::IsPermissionDenied(status)) {
    return WithErrorInfo(absl::FailedPreconditionError(absl::StrCat(
                             name, " cannot be opened, or lies outside of the model's directory")),
                         info);
  }
  return WithErrorInfo(absl::DataLossError(absl::StrCat(name, " is not what it was any more")),
                       info);
}

}  // namespace ecf8
