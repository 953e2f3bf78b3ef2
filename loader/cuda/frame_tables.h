// The code tables of units that are in the device's frames, as they are stored, in host memory: so
// that a unit is decoded from its frames without a way back to the host for them.
#ifndef ECF8_LOADER_CUDA_FRAME_TABLES_H_
#define ECF8_LOADER_CUDA_FRAME_TABLES_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/types/span.h"
#include "loader/base/mutex.h"

namespace ecf8 {

// Known by the address in the frames that the tables are at. What is written over is forgotten, so
// that it holds no more than there is in the frames: some KiB a unit. Thread-safe.
class FrameTables {
 public:
  // The bytes at `frames_dev` are being replaced.
  void Forget(absl::Span<const uint8_t> frames_dev);
  // What is being put there are a unit's tables.
  void Put(const uint8_t* at_dev, absl::Span<const uint8_t> stored);
  // Empty where there are none.
  std::vector<uint8_t> Get(const uint8_t* at_dev) const;

 private:
  mutable Mutex mutex_;
  std::map<const uint8_t*, std::vector<uint8_t>> tables_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_FRAME_TABLES_H_
