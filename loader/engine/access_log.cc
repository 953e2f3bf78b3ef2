#include "loader/engine/access_log.h"

#include <algorithm>
#include <chrono>

namespace ecf8 {
namespace {

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void AccessLog::OnEvent(const EngineEvent& event) {
  if (event.kind != EngineEvent::Kind::kAccess || !is_read_.load(std::memory_order_relaxed)) return;
  const LoggedAccess access = {NowNs(), event.key, static_cast<Access>(event.priority)};
  MutexLock lock(mutex_);
  if (readers_ == 0) return;  // just now
  if (ring_.size() < capacity_) {
    ring_.push_back(access);
  } else {
    ring_[count_ % capacity_] = access;
  }
  ++count_;
}

// The first reader begins a new ring, so that access 0 is at 0.
uint64_t AccessLog::AddReader() {
  MutexLock lock(mutex_);
  if (readers_++ == 0) {
    count_ = 0;
    ring_.reserve(capacity_);
    is_read_.store(true, std::memory_order_relaxed);
  }
  return count_;
}

void AccessLog::RemoveReader() {
  MutexLock lock(mutex_);
  if (--readers_ > 0) return;
  is_read_.store(false, std::memory_order_relaxed);
  ring_ = {};
}

AccessLog::Batch AccessLog::Read(uint64_t* next, size_t max) {
  Batch batch;
  MutexLock lock(mutex_);
  batch.time_ns = NowNs();
  const uint64_t oldest = count_ - std::min<uint64_t>(count_, ring_.size());
  if (*next < oldest) {
    batch.lost = oldest - *next;
    *next = oldest;
  }
  const uint64_t end = std::min<uint64_t>(count_, *next + max);
  batch.accesses.reserve(end - *next);
  for (; *next < end; ++*next) batch.accesses.push_back(ring_[*next % capacity_]);
  batch.more = *next < count_;
  return batch;
}

}  // namespace ecf8
