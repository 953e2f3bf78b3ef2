// A large file to read, for a bench: one of the directory's own, or one that is made and removed.
#ifndef ECF8_TOOLS_ECF8_SCRATCH_FILE_H_
#define ECF8_TOOLS_ECF8_SCRATCH_FILE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace ecf8 {

class ScratchFile {
 public:
  // The largest .safetensors file of `directory` where it has at least `size_bytes`; else a new
  // file of incompressible bytes, synced. CANCELLED when `cancel` was set meanwhile.
  static absl::StatusOr<std::unique_ptr<ScratchFile>> Find(const std::string& directory,
                                                           uint64_t size_bytes,
                                                           const std::atomic<bool>& cancel);

  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  // Removes what it made.
  ~ScratchFile();

  const std::string& path() const { return path_; }
  bool made() const { return made_; }

 private:
  ScratchFile(std::string path, bool made) : path_(std::move(path)), made_(made) {}

  std::string path_;
  bool made_ = false;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_SCRATCH_FILE_H_
