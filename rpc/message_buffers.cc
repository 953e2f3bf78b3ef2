#include "rpc/message_buffers.h"

#include <utility>

namespace ecf8 {
namespace {

constexpr size_t kPageBytes = 4096;

struct Loan {
  std::shared_ptr<MessageBuffers> buffers;
  MessageBuffers::Buffer buffer;
};

// Called by gRPC, on any thread.
void EndLoan(void* loan) {
  const std::unique_ptr<Loan> ended(static_cast<Loan*>(loan));
  ended->buffers->Give(std::move(ended->buffer));
}

}  // namespace

MessageBuffers::Buffer MessageBuffers::Take() {
  {
    MutexLock lock(mutex_);
    if (!free_.empty()) {
      Buffer buffer = std::move(free_.back());
      free_.pop_back();
      return buffer;
    }
  }
  const size_t bytes = (buffer_bytes_ + kPageBytes - 1) / kPageBytes * kPageBytes;
  return Buffer(static_cast<uint8_t*>(std::aligned_alloc(kPageBytes, bytes)));
}

void MessageBuffers::Give(Buffer buffer) {
  MutexLock lock(mutex_);
  if (free_.size() < most_kept_) free_.push_back(std::move(buffer));
}

grpc::Slice MessageBuffers::Lend(Buffer buffer, size_t size_bytes) {
  uint8_t* const memory = buffer.get();
  auto loan = std::make_unique<Loan>(Loan{shared_from_this(), std::move(buffer)});
  return grpc::Slice(memory, size_bytes, EndLoan, loan.release());
}

}  // namespace ecf8
