#include "loader/cuda/exported_run.h"

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/cuda/cuda_status.h"

namespace ecf8 {

absl::StatusOr<ExportedRun> ExportedRun::Make(CudaCalls& cuda, int device, uint64_t size_bytes) {
  ExportedRun made;
  CudaMemoryHandle handle = 0;
  ECF8_RETURN_IF_ERROR(
      CudaStatus(cuda, cuda.MemCreate(device, size_bytes, /*exportable=*/true, &handle),
                 absl::StrCat("cuMemCreate of ", FormatBytes(size_bytes)), device));
  int fd = -1;
  const absl::Status exported = CudaStatus(cuda, cuda.MemExportToShareableHandle(handle, &fd),
                                           "cuMemExportToShareableHandle", device);
  if (!exported.ok()) {
    (void)cuda.MemRelease(handle);
    return exported;
  }
  made.fd_ = Descriptor(fd);
  ECF8_ASSIGN_OR_RETURN(made.run_, MappedRun::Map(cuda, device, handle, size_bytes));
  return made;
}

}  // namespace ecf8
