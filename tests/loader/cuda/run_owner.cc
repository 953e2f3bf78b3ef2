#include "tests/loader/cuda/run_owner.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "loader/cuda/cuda_calls.h"
#include "loader/cuda/mapped_run.h"
#include "tests/support/fake_cuda/fake_cuda.h"

namespace ecf8::testing {
namespace {

constexpr char kVariable[] = "ECF8_TEST_RUN_OWNER";  // of the owner's environment: which CUDA
constexpr int kOwnersSocket = 3;

struct Command {
  char what = 0;  // 'm'ap, 'r'ead, 'f'ill, 's'top
  uint8_t byte = 0;
  uint64_t size_bytes = 0;
};

bool Transfer(int fd, void* data, size_t size, bool out) {
  auto* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t count = out ? send(fd, at, size, MSG_NOSIGNAL) : recv(fd, at, size, 0);
    if (count <= 0) return false;
    at += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

bool SendText(int fd, std::string text) {
  uint64_t size = text.size();
  return Transfer(fd, &size, sizeof(size), true) && Transfer(fd, text.data(), size, true);
}

std::string ReceiveText(int fd) {
  uint64_t size = 0;
  if (!Transfer(fd, &size, sizeof(size), false)) return "the owner is gone";
  std::string text(size, '\0');
  return Transfer(fd, text.data(), size, false) ? text : "the owner is gone";
}

// `fd`: to send, or what has come; -1: none.
bool TransferCommand(int socket, Command* command, int* fd, bool out) {
  iovec bytes = {command, sizeof(*command)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (!out || *fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
  }
  if (out && *fd >= 0) {
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), fd, sizeof(int));
  }
  const ssize_t count =
      out ? sendmsg(socket, &message, MSG_NOSIGNAL) : recvmsg(socket, &message, MSG_WAITALL);
  if (count != static_cast<ssize_t>(sizeof(*command))) return false;
  if (out) return true;
  *fd = -1;
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header != nullptr) std::memcpy(fd, CMSG_DATA(header), sizeof(int));
  return true;
}

// What the owner has. It maps with the driver alone, as a client does, and reads with the rest.
class Owner {
 public:
  Owner(CudaMappingCalls& mapping, CudaCalls& cuda) : mapping_(mapping), cuda_(cuda) {
    EXPECT_EQ(mapping_.SetDevice(0), kCudaSuccess);
    EXPECT_EQ(cuda_.SetDevice(0), kCudaSuccess);
    EXPECT_EQ(cuda_.StreamCreate(&stream_), kCudaSuccess);
    EXPECT_EQ(mapping_.EventCreate(&event_), kCudaSuccess);
  }
  ~Owner() {
    EXPECT_EQ(mapping_.EventDestroy(event_), kCudaSuccess);
    EXPECT_EQ(cuda_.StreamDestroy(stream_), kCudaSuccess);
  }

  void Serve() {
    Command command;
    int fd = -1;
    while (TransferCommand(kOwnersSocket, &command, &fd, false) && command.what != 's') {
      if (command.what == 'm') SendText(kOwnersSocket, Map(fd, command.size_bytes));
      if (command.what == 'r') SendText(kOwnersSocket, Read(command.size_bytes));
      if (command.what == 'f') SendText(kOwnersSocket, Fill(command.size_bytes, command.byte));
      if (fd >= 0) close(fd);
    }
  }

 private:
  std::string Map(int fd, uint64_t size_bytes) {
    run_ = MappedRun();
    absl::StatusOr<MappedRun> mapped = MappedRun::Import(mapping_, 0, fd, size_bytes);
    if (!mapped.ok()) return mapped.status().ToString();
    run_ = *std::move(mapped);
    return "";
  }
  std::string Read(uint64_t size_bytes) {
    std::string bytes(size_bytes, '\0');
    Copy(size_bytes, [&](uint8_t* pinned) {
      Pass(pinned, run_.span_dev().data(), size_bytes, CudaCopy::kDeviceToHost);
      std::memcpy(bytes.data(), pinned, size_bytes);
    });
    return bytes;
  }
  std::string Fill(uint64_t size_bytes, uint8_t byte) {
    Copy(size_bytes, [&](uint8_t* pinned) {
      std::memset(pinned, byte, size_bytes);
      Pass(run_.span_dev().data(), pinned, size_bytes, CudaCopy::kHostToDevice);
    });
    return "";
  }

  template <typename Use>
  void Copy(uint64_t size_bytes, Use use) {
    uint8_t* pinned = nullptr;
    ASSERT_EQ(cuda_.HostAlloc(size_bytes, &pinned), kCudaSuccess);
    use(pinned);
    EXPECT_EQ(cuda_.FreeHost(pinned), kCudaSuccess);
  }
  // The client's way to wait: an event of the driver's on a stream of the runtime's.
  void Pass(uint8_t* to, const uint8_t* from, uint64_t size_bytes, CudaCopy direction) {
    ASSERT_EQ(cuda_.MemcpyAsync(to, from, size_bytes, direction, stream_), kCudaSuccess);
    ASSERT_EQ(mapping_.EventRecord(event_, stream_), kCudaSuccess);
    CudaError error = mapping_.EventQuery(event_);
    for (; error == kCudaNotReady; error = mapping_.EventQuery(event_)) std::this_thread::yield();
    ASSERT_EQ(error, kCudaSuccess);
  }

  CudaMappingCalls& mapping_;
  CudaCalls& cuda_;
  MappedRun run_;
  CudaStream stream_ = nullptr;
  CudaEvent event_ = nullptr;
};

// Nothing, but in the owner's process.
TEST(RunOwnerProcess, DoesWhatItIsTold) {
  const char* const which = std::getenv(kVariable);
  if (which == nullptr) return;
  if (std::string(which) == "fake") {
    FakeCuda cuda;
    Owner(cuda, cuda).Serve();
    return;
  }
  const auto cuda = RealCuda();
  const auto mapping = DriverCuda();
  ASSERT_TRUE(cuda.ok() && mapping.ok()) << cuda.status() << mapping.status();
  Owner(**mapping, **cuda).Serve();
}

}  // namespace

RunOwner::RunOwner(OwnersCuda cuda) {
  int sockets[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
  socket_ = sockets[0];
  SubprocessGifts gifts{.descriptors = {sockets[1]}};
  gifts.environment.emplace_back(kVariable);
  gifts.environment.back() += cuda == OwnersCuda::kFake ? "=fake" : "=real";
  std::vector<std::string> arguments = {"/proc/self/exe", "--gtest_output="};
  arguments.emplace_back("--gtest_filter=RunOwnerProcess.*");
  process_ = std::make_unique<Subprocess>(std::move(arguments), gifts);
  close(sockets[1]);
}

RunOwner::~RunOwner() { close(socket_); }

void RunOwner::Tell(char command, uint64_t size_bytes, uint8_t byte, int fd) {
  Command told{.what = command, .byte = byte, .size_bytes = size_bytes};
  EXPECT_TRUE(TransferCommand(socket_, &told, &fd, true));
}

std::string RunOwner::Map(int fd, uint64_t size_bytes) {
  Tell('m', size_bytes, 0, fd);
  return ReceiveText(socket_);
}

std::string RunOwner::Read(uint64_t size_bytes) {
  Tell('r', size_bytes, 0, -1);
  return ReceiveText(socket_);
}

void RunOwner::Fill(uint64_t size_bytes, uint8_t byte) {
  Tell('f', size_bytes, byte, -1);
  EXPECT_EQ(ReceiveText(socket_), "");
}

int RunOwner::Stop() {
  Tell('s', 0, 0, -1);
  const int status = process_->Wait();
  if (status != 0) ADD_FAILURE() << process_->Stdout() << process_->Stderr();
  return status;
}

void RunOwner::Kill() {
  process_->Signal(SIGKILL);
  process_->Wait();
}

}  // namespace ecf8::testing
