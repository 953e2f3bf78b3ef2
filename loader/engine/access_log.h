// The latest accesses of the engine's clients, for whoever records them: a ring that all readers
// share. A reader that does not keep up loses the oldest and is told how many; it never holds up
// the engine.
//
//   AccessLog log;                                  // among EngineOptions::observers
//   AccessLog::Reader reader(log);                  // from now on
//   const AccessLog::Batch batch = reader.Read(4096);    // again and again
#ifndef ECF8_LOADER_ENGINE_ACCESS_LOG_H_
#define ECF8_LOADER_ENGINE_ACCESS_LOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "loader/base/mutex.h"
#include "loader/cache/cache_policy.h"
#include "loader/engine/engine_observer.h"

namespace ecf8 {

struct LoggedAccess {
  int64_t time_ns = 0;  // on std::chrono::steady_clock
  uint64_t key = 0;     // CacheKey(model, unit index)
  Access access = Access::kDemand;
};

// Thread-safe. While nobody reads it has no ring, and an access costs it nothing.
class AccessLog final : public EngineObserver {
 public:
  // Accesses that are kept: seconds of them, as large models make some 50,000 a second.
  static constexpr size_t kDefaultCapacity = size_t{1} << 18;

  explicit AccessLog(size_t capacity = kDefaultCapacity) : capacity_(capacity) {}
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  struct Batch {
    std::vector<LoggedAccess> accesses;  // in the order in which they happened
    uint64_t lost = 0;                   // accesses just before them that came too fast
    int64_t time_ns = 0;                 // of the read
    bool more = false;                   // there were more than asked for
  };

  // Thread-compatible. The log outlives it.
  class Reader {
   public:
    explicit Reader(AccessLog& log) : log_(log), next_(log.AddReader()) {}
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() { log_.RemoveReader(); }

    // What has happened since the last call, or since the reader is there; at most `max` of it.
    Batch Read(size_t max) { return log_.Read(&next_, max); }

   private:
    AccessLog& log_;
    uint64_t next_;
  };

  void OnEvent(const EngineEvent& event) override;

 private:
  uint64_t AddReader();
  void RemoveReader();
  Batch Read(uint64_t* next, size_t max);

  const size_t capacity_;
  std::atomic<bool> is_read_ = false;  // readers_ > 0

  Mutex mutex_;
  size_t readers_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<LoggedAccess> ring_ ABSL_GUARDED_BY(mutex_);  // access i at i modulo capacity_
  uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;              // of accesses, ever
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_ACCESS_LOG_H_
