#include "loader/remote/object_source.h"

#include <utility>

namespace ecf8 {

absl::StatusOr<uint64_t> ReadObject(ObjectSource& source, ObjectRead read) {
  source.Start(std::move(read));
  while (true) {
    const std::optional<ObjectReadEnd> end = source.Next();
    if (!end) continue;
    if (!end->status.ok()) return end->status;
    return end->object_size_bytes;
  }
}

}  // namespace ecf8
