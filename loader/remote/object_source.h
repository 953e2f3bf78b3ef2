// Where a model's files lie when they do not lie on this machine: the seam for what is pulled.
#ifndef ECF8_LOADER_REMOTE_OBJECT_SOURCE_H_
#define ECF8_LOADER_REMOTE_OBJECT_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ecf8 {

// A part of a file, of at least 1 byte.
struct ObjectRead {
  std::string path;  // '/' between components
  uint64_t offset_bytes = 0;
  absl::Span<uint8_t> out{};  // filled from the offset on; borrowed until the read's end
};

struct ObjectReadEnd {
  uint64_t id = 0;
  // OK: every byte of `out` has come. Else what is known of it is final: whatever may pass was
  // tried again. NOT_FOUND, UNAUTHENTICATED, PERMISSION_DENIED, UNAVAILABLE, DATA_LOSS (also where
  // the file ends before), FAILED_PRECONDITION, CANCELLED; the message says which file, and where.
  absl::Status status{};
  uint64_t object_size_bytes = 0;  // of the whole file
};

// Thread-compatible. The bytes are whatever the other side sends: who reads them checks them.
class ObjectSource {
 public:
  ObjectSource() = default;
  ObjectSource(const ObjectSource&) = delete;
  ObjectSource& operator=(const ObjectSource&) = delete;
  virtual ~ObjectSource() = default;  // as DropReads

  // For messages: without secrets.
  virtual std::string shown() const = 0;

  // The names of the .safetensors files among which the first shard is, in order of name; each
  // passes IsShardName. The errors of a read.
  virtual absl::StatusOr<std::vector<std::string>> ListShards() = 0;

  // The read's number. More than max_reads() in flight wait for one another.
  virtual uint64_t Start(ObjectRead read) = 0;
  virtual size_t max_reads() const = 0;

  // Moves things along until a read ends, at most for a short while. nullopt where none has.
  virtual std::optional<ObjectReadEnd> Next() = 0;

  // Ends what is in flight without a word; its memory is not written any more.
  virtual void DropReads() = 0;

  // What has come of the reads that are in flight.
  virtual uint64_t in_flight_bytes() const = 0;
  // How often something was tried again.
  virtual uint64_t retries() const = 0;
};

// Reads one part alone, while nothing else is in flight: the size of the whole file.
absl::StatusOr<uint64_t> ReadObject(ObjectSource& source, ObjectRead read);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_OBJECT_SOURCE_H_
