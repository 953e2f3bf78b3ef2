// Any bytes, in any pieces, as what a session's client says: the messages are those that their
// sizes tell, and nothing is read behind one that is too long.

#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "loader/base/descriptor.h"
#include "rpc/step_pipe.h"
#include "tests/fuzz/script_input.h"

namespace {

constexpr size_t kMaxBytes = 300;

// What is to come of `bytes`; false where the peer must be given up.
bool Split(std::string_view bytes, std::vector<std::string>* messages) {
  while (bytes.size() >= sizeof(uint32_t)) {
    uint32_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof(size));
    if (size > kMaxBytes) return false;
    bytes.remove_prefix(sizeof(size));
    if (size > bytes.size()) break;
    messages->emplace_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) abort();
  const ecf8::Descriptor here(fds[0]);
  ecf8::Descriptor there(fds[1]);
  ecf8::StepPipe pipe(here.get(), kMaxBytes);
  ecf8::ScriptInput input(data, size);
  std::string sent;
  std::vector<std::string> came;
  bool is_broken = false;
  const auto take = [&] {
    std::string_view message;
    ecf8::StepPipe::State state;
    while ((state = pipe.Next(&message)) == ecf8::StepPipe::State::kOpen) {
      came.emplace_back(message);
    }
    is_broken |= state == ecf8::StepPipe::State::kBroken;
  };
  while (!input.is_empty() && sent.size() < 10'000) {
    const std::string bytes = input.Bytes();
    if (!bytes.empty()) send(there.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    sent += bytes;
    if (input.Bit()) is_broken |= pipe.Receive() == ecf8::StepPipe::State::kBroken;
    if (input.Bit()) take();
  }
  there = ecf8::Descriptor();
  while (!is_broken) {
    take();
    is_broken |= pipe.Receive() == ecf8::StepPipe::State::kBroken;
  }
  take();
  std::vector<std::string> expected;
  const bool is_whole = Split(sent, &expected);
  if (came != expected) abort();
  std::string_view message;
  if ((pipe.Next(&message) == ecf8::StepPipe::State::kBroken) == is_whole) abort();
  return 0;
}
