// Memory that messages of data travel in: lent to gRPC, which gives it back when it has sent them.
#ifndef ECF8_RPC_MESSAGE_BUFFERS_H_
#define ECF8_RPC_MESSAGE_BUFFERS_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "grpcpp/support/slice.h"
#include "loader/base/mutex.h"

namespace ecf8 {

// Thread-safe. Does not bound how many there are: their users do, each of which has a few. Only so
// many are kept when nobody uses them, so that their pages are not made anew for every message.
class MessageBuffers : public std::enable_shared_from_this<MessageBuffers> {
 public:
  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };
  using Buffer = std::unique_ptr<uint8_t[], Free>;

  // Each of `buffer_bytes`; use std::make_shared.
  MessageBuffers(size_t buffer_bytes, size_t kept)
      : buffer_bytes_(buffer_bytes), most_kept_(kept) {}

  size_t buffer_bytes() const { return buffer_bytes_; }
  absl::Span<uint8_t> Span(const Buffer& buffer) const { return {buffer.get(), buffer_bytes_}; }

  // At the moment.
  size_t kept() const {
    MutexLock lock(mutex_);
    return free_.size();
  }

  // Of any content. Null where there is no memory.
  Buffer Take();
  void Give(Buffer buffer);

  // The first `size_bytes` of `buffer`, which is given back when the last copy of the slice is
  // gone.
  grpc::Slice Lend(Buffer buffer, size_t size_bytes);

 private:
  const size_t buffer_bytes_;
  const size_t most_kept_;
  mutable Mutex mutex_;
  std::vector<Buffer> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_RPC_MESSAGE_BUFFERS_H_
