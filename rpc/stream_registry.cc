#include "rpc/stream_registry.h"

#include <string>

#include "loader/model/error_info.h"

namespace ecf8 {

absl::Status ShuttingDownError() {
  return WithErrorInfo(absl::UnavailableError("the daemon is shutting down"),
                       {.reason = ErrorReason::kShuttingDown});
}

absl::Status StreamRegistry::Add(const std::shared_ptr<ServedStream>& stream) {
  MutexLock lock(mutex_);
  if (draining_) return ShuttingDownError();
  if (streams_.size() >= max_streams_) {
    return WithErrorInfo(
        absl::ResourceExhaustedError("the daemon serves its limit of " +
                                     std::to_string(max_streams_) + " streams: try again later"),
        {.reason = ErrorReason::kOverloaded});
  }
  streams_.emplace(stream.get(), stream);
  return absl::OkStatus();
}

void StreamRegistry::Remove(const ServedStream* stream) {
  MutexLock lock(mutex_);
  streams_.erase(stream);
  if (streams_.empty()) idle_.NotifyAll();
}

void StreamRegistry::BeginDrain() {
  MutexLock lock(mutex_);
  draining_ = true;
}

bool StreamRegistry::WaitIdle(std::chrono::steady_clock::time_point deadline) {
  MutexLock lock(mutex_);
  while (!streams_.empty()) {
    if (!idle_.WaitUntil(lock, deadline)) return streams_.empty();
  }
  return true;
}

void StreamRegistry::AbortAll(const absl::Status& status) {
  for (const auto& stream : Alive()) stream->Abort(status);
}

void StreamRegistry::TickAll() {
  for (const auto& stream : Alive()) stream->Tick();
}

size_t StreamRegistry::size() const {
  MutexLock lock(mutex_);
  return streams_.size();
}

// Outside the lock they may end, and then call Remove.
std::vector<std::shared_ptr<ServedStream>> StreamRegistry::Alive() const {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<ServedStream>> alive;
  for (const auto& [key, weak] : streams_) {
    if (auto stream = weak.lock()) alive.push_back(std::move(stream));
  }
  return alive;
}

}  // namespace ecf8
