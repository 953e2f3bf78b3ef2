#include "loader/cuda/frame_tables.h"

namespace ecf8 {

void FrameTables::Forget(absl::Span<const uint8_t> frames_dev) {
  MutexLock lock(mutex_);
  tables_.erase(tables_.lower_bound(frames_dev.data()),
                tables_.lower_bound(frames_dev.data() + frames_dev.size()));
}

void FrameTables::Put(const uint8_t* at_dev, absl::Span<const uint8_t> stored) {
  MutexLock lock(mutex_);
  tables_[at_dev].assign(stored.begin(), stored.end());
}

std::vector<uint8_t> FrameTables::Get(const uint8_t* at_dev) const {
  MutexLock lock(mutex_);
  const auto found = tables_.find(at_dev);
  return found == tables_.end() ? std::vector<uint8_t>() : found->second;
}

}  // namespace ecf8
