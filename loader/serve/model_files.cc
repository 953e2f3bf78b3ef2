#include "loader/serve/model_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/beneath.h"
#include "loader/base/descriptor.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

absl::StatusOr<File> OpenOther(const ModelFile& file) {
  ECF8_ASSIGN_OR_RETURN(const Descriptor root, OpenDirectory(file.model->directory()));
  ECF8_ASSIGN_OR_RETURN(Descriptor opened, OpenBeneath(root, file.path, File::kReadFlags));
  return File::FromDescriptor(std::move(opened), file.path);
}

}  // namespace

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

absl::StatusOr<File> OpenModelFile(const ModelFile& file) {
  absl::StatusOr<File> opened =
      file.shard != nullptr ? File::OpenForRead(ReopenPath(file.shard->fd())) : OpenOther(file);
  if (!opened.ok()) return ModelFileFailure(file, "cannot be opened any more");
  const absl::StatusOr<uint64_t> size_bytes = opened->SizeBytes();
  if (!size_bytes.ok() || *size_bytes != file.size_bytes)
    return ModelFileFailure(file, "has another size now");
  return opened;
}

absl::Status ModelFileFailure(const ModelFile& file, std::string_view why) {
  const std::string& model = file.model->name();
  return WithErrorInfo(absl::DataLossError(absl::StrCat("model ", Quoted(model), ": the file ",
                                                        Quoted(file.path), " ", ToAbsl(why))),
                       {.reason = ErrorReason::kReadFailed, .model = model});
}

}  // namespace ecf8
