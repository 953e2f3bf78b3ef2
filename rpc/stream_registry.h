// The streams that are being served: counted, limited, and ended together when the daemon stops.
#ifndef ECF8_RPC_STREAM_REGISTRY_H_
#define ECF8_RPC_STREAM_REGISTRY_H_

#include <chrono>
#include <cstddef>
#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "loader/base/mutex.h"

namespace ecf8 {

class ServedStream {
 public:
  virtual ~ServedStream() = default;

  // Ends the stream with `status` as soon as the message that is being written is out. Thread-safe.
  virtual void Abort(const absl::Status& status) = 0;

  // Time has passed: called a few times a second, of a registry that somebody ticks. Short.
  // Thread-safe.
  virtual void Tick() {}
};

// Thread-safe.
class StreamRegistry {
 public:
  explicit StreamRegistry(size_t max_streams) : max_streams_(max_streams) {}

  // RESOURCE_EXHAUSTED at the limit, UNAVAILABLE after BeginDrain; both with an ErrorInfo.
  absl::Status Add(const std::shared_ptr<ServedStream>& stream);
  void Remove(const ServedStream* stream);

  // From now on Add refuses.
  void BeginDrain();

  // True when no stream is left, false when `deadline` passed before.
  bool WaitIdle(std::chrono::steady_clock::time_point deadline);

  void AbortAll(const absl::Status& status);
  void TickAll();

  size_t size() const;

 private:
  std::vector<std::shared_ptr<ServedStream>> Alive() const;

  const size_t max_streams_;
  mutable Mutex mutex_;
  CondVar idle_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::unordered_map<const ServedStream*, std::weak_ptr<ServedStream>> streams_
      ABSL_GUARDED_BY(mutex_);
};

// What a client is told when the daemon stops.
absl::Status ShuttingDownError();

}  // namespace ecf8

#endif  // ECF8_RPC_STREAM_REGISTRY_H_
