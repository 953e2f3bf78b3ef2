// The open files of a reader, by number.
#ifndef ECF8_LOADER_IO_FILE_TABLE_H_
#define ECF8_LOADER_IO_FILE_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/io/read_calls.h"

namespace ecf8 {

// Closes itself.
class BlockFile {
 public:
  // As BlockReader::AddFile. Without `direct_io`, or where the file system does not read so, it is
  // buffered.
  static absl::StatusOr<std::unique_ptr<BlockFile>> Open(const std::string& path,
                                                         std::string_view name, bool direct_io,
                                                         ReadCalls& calls);

  BlockFile(const BlockFile&) = delete;
  BlockFile& operator=(const BlockFile&) = delete;
  ~BlockFile();

  int fd() const { return fd_; }
  bool direct() const { return direct_; }
  const std::string& name() const { return name_; }

 private:
  BlockFile(int fd, std::string_view name) : fd_(fd), name_(name) {}

  const int fd_;
  bool direct_ = false;
  const std::string name_;
};

// Thread-safe.
class FileTable {
 public:
  // `calls` outlives it.
  FileTable(bool direct_io, ReadCalls& calls) : direct_io_(direct_io), calls_(calls) {}

  absl::StatusOr<uint32_t> Add(const std::string& path, std::string_view name);

  // `file` is in the table (asserted). What Get returns lives until Remove.
  const BlockFile& Get(uint32_t file) const;
  void Remove(uint32_t file);

  uint32_t direct_count() const { return Count(true); }
  uint32_t buffered_count() const { return Count(false); }

 private:
  uint32_t Count(bool direct) const;

  const bool direct_io_;
  ReadCalls& calls_;
  mutable Mutex mutex_;
  std::vector<std::unique_ptr<BlockFile>> files_ ABSL_GUARDED_BY(mutex_);  // null: a free number
};

}  // namespace ecf8

#endif  // ECF8_LOADER_IO_FILE_TABLE_H_
