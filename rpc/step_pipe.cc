#include "rpc/step_pipe.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace ecf8 {
namespace {

using Size = uint32_t;

// Room for what comes: a step of a layer and its experts is some hundred bytes.
constexpr size_t kReadBytes = 4096;

bool WouldWait(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

void StepPipe::Put(const google::protobuf::MessageLite& message) {
  const Size size = static_cast<Size>(message.ByteSizeLong());
  const size_t begin = out_.size();
  out_.resize(begin + sizeof(size) + size);
  std::memcpy(out_.data() + begin, &size, sizeof(size));
  message.SerializeWithCachedSizesToArray(
      reinterpret_cast<uint8_t*>(out_.data() + begin + sizeof(size)));
}

StepPipe::State StepPipe::Flush() {
  while (sent_bytes_ < out_.size()) {
    const ssize_t count = send(fd_, out_.data() + sent_bytes_, out_.size() - sent_bytes_,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return WouldWait(errno) ? State::kBlocked : State::kBroken;
    sent_bytes_ += static_cast<size_t>(count);
  }
  out_.clear();
  sent_bytes_ = 0;
  return State::kOpen;
}

StepPipe::State StepPipe::Receive() {
  if (begin_ == end_) begin_ = end_ = 0;
  // Of a message that has begun, the rest; of any other, what a read brings. Next has looked at its
  // size.
  size_t wanted_bytes = kReadBytes;
  Size size = 0;
  if (end_ - begin_ >= sizeof(size)) {
    std::memcpy(&size, in_.data() + begin_, sizeof(size));
    wanted_bytes = std::max(wanted_bytes, sizeof(size) + std::min<size_t>(size, max_bytes_));
  }
  if (in_.size() - begin_ < wanted_bytes) {
    if (begin_ > 0) std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (in_.size() < wanted_bytes) in_.resize(wanted_bytes);
  }
  if (end_ == in_.size()) return State::kOpen;  // Next has something
  const ssize_t count = recv(fd_, in_.data() + end_, in_.size() - end_, MSG_DONTWAIT);
  if (count == 0) return State::kBroken;
  if (count < 0) return WouldWait(errno) ? State::kBlocked : State::kBroken;
  end_ += static_cast<size_t>(count);
  return State::kOpen;
}

StepPipe::State StepPipe::Next(std::string_view* message) {
  Size size = 0;
  if (end_ - begin_ < sizeof(size)) return State::kBlocked;
  std::memcpy(&size, in_.data() + begin_, sizeof(size));
  if (size > max_bytes_) return State::kBroken;
  if (size > end_ - begin_ - sizeof(size)) return State::kBlocked;
  *message = std::string_view(in_.data() + begin_ + sizeof(size), size);
  begin_ += sizeof(size) + size;
  return State::kOpen;
}

}  // namespace ecf8
