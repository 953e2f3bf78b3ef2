// Where the bytes of a shard come from: the seam between what reads a plain model and the disk, so
// that a model may also be made up while it is read.
#ifndef ECF8_LOADER_CHECKPOINT_SOURCE_BYTES_H_
#define ECF8_LOADER_CHECKPOINT_SOURCE_BYTES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/file.h"

namespace ecf8 {

// The bytes of one .safetensors file, its header included. Thread-safe.
class SourceBytes {
 public:
  SourceBytes() = default;
  SourceBytes(const SourceBytes&) = delete;
  SourceBytes& operator=(const SourceBytes&) = delete;
  virtual ~SourceBytes() = default;

  virtual uint64_t size_bytes() const = 0;

  // Fills `out` from `offset_bytes`; DATA_LOSS where the bytes end before.
  virtual absl::Status ReadAt(uint64_t offset_bytes, absl::Span<uint8_t> out) const = 0;

  // FAILED_PRECONDITION, naming the shard, where the bytes are no longer what they were at first.
  virtual absl::Status CheckUnchanged() const = 0;
};

// A file. Every write to it counts as a change, and so does every change of its inode: a chmod, a
// new link, a replacement by a rename.
class SourceFile final : public SourceBytes {
 public:
  // The errors of File::OpenForRead.
  static absl::StatusOr<std::unique_ptr<SourceFile>> Open(const std::string& path);

  const File& file() const { return file_; }

  uint64_t size_bytes() const override { return identity_.size_bytes; }
  absl::Status ReadAt(uint64_t offset_bytes, absl::Span<uint8_t> out) const override {
    return file_.ReadAt(offset_bytes, out);
  }
  absl::Status CheckUnchanged() const override;

 private:
  SourceFile(File file, const FileIdentity& identity)
      : file_(std::move(file)), identity_(identity) {}

  const File file_;
  const FileIdentity identity_;  // when it was opened
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CHECKPOINT_SOURCE_BYTES_H_
