#include "rpc/slot_mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <vector>

#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/memory/slot_space.h"
#include "rpc/slot_handshake.h"

namespace ecf8 {
namespace {

// More than come, so that one too many is noticed.
constexpr size_t kMaxDescriptors = 8;

absl::Status Untrusted(const std::string& why) {
  return absl::DataLossError("the daemon's slot socket: " + why);
}

absl::Status Refusal(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kPermissionDenied:
      return absl::PermissionDeniedError(
          "the daemon's slots are another user's: sessions are not to be had, fetches are");
    case absl::StatusCode::kResourceExhausted:
      return absl::ResourceExhaustedError(
          "the daemon has too many clients at its slot socket: try again later");
    default:
      return absl::UnimplementedError("the daemon's slot socket speaks another version");
  }
}

// Those that came with `message`.
std::vector<Descriptor> TakeDescriptors(msghdr* message) {
  std::vector<int> numbers;
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr;
       header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const size_t begin = numbers.size();
    numbers.resize(begin + count);
    std::memcpy(numbers.data() + begin, CMSG_DATA(header), count * sizeof(int));
  }
  std::vector<Descriptor> descriptors;
  for (const int number : numbers) descriptors.emplace_back(number);
  return descriptors;
}

struct Received {
  bool is_whole = false;
  std::vector<Descriptor> descriptors;
};

// Into `message`, of which less may come.
absl::StatusOr<Received> ReceiveMessage(int connection, void* message, size_t size_bytes) {
  iovec bytes = {message, size_bytes};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  const ssize_t count = recvmsg(connection, &header, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  if (count <= 0) return absl::UnavailableError("the daemon's slot socket does not answer");
  return Received{.is_whole = count == static_cast<ssize_t>(size_bytes),
                  .descriptors = TakeDescriptors(&header)};
}

absl::StatusOr<absl::Span<const uint8_t>> MapSealed(int fd, uint64_t size_bytes) {
  struct stat status = {};
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &status) != 0 ||
      static_cast<uint64_t>(status.st_size) != size_bytes) {
    return Untrusted("what it gave is no sealed memory of the size that it said");
  }
  if (size_bytes == 0) return absl::Span<const uint8_t>();
  void* const memory = mmap(nullptr, size_bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "cannot map the daemon's slots");
  return absl::Span<const uint8_t>(static_cast<const uint8_t*>(memory), size_bytes);
}

void Unmap(absl::Span<const uint8_t> memory) {
  if (!memory.empty()) munmap(const_cast<uint8_t*>(memory.data()), memory.size());
}

absl::StatusOr<Descriptor> ConnectTo(const std::string& path, std::chrono::milliseconds timeout) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError("socket " + path + ": the path is too long");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Descriptor connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!connection) return ErrnoStatus(errno, "cannot make a socket");
  const int fd = connection.get();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(timeout).count();
  const timeval limit = {static_cast<time_t>(micros / 1'000'000),
                         static_cast<suseconds_t>(micros % 1'000'000)};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return absl::UnavailableError("no daemon gives slots at " + path + ": " + strerror(errno));
  }
  return connection;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SlotMapping>> SlotMapping::Connect(
    const std::string& path, std::chrono::milliseconds timeout) {
  std::unique_ptr<SlotMapping> mapping(new SlotMapping);
  ECF8_ASSIGN_OR_RETURN(mapping->connection_, ConnectTo(path, timeout));
  // Where the daemon has refused already, this fails and its answer is there to be read.
  [[maybe_unused]] const ssize_t sent =
      send(mapping->connection(), kSlotHello.data(), kSlotHello.size(), MSG_NOSIGNAL);
  ECF8_RETURN_IF_ERROR(mapping->Receive());
  return mapping;
}

absl::Status SlotMapping::Receive() {
  SlotReply reply;
  ECF8_ASSIGN_OR_RETURN(const Received received,
                        ReceiveMessage(connection(), &reply, sizeof(reply)));
  if (!received.is_whole || reply.magic != kSlotHello)
    return Untrusted("an answer of another kind");
  if (reply.code != 0) return Refusal(static_cast<absl::StatusCode>(reply.code));
  if (received.descriptors.size() != kSlotDescriptors) {
    return Untrusted("no two descriptors came");
  }
  ticket_ = reply.ticket;
  slots_follow_ = reply.slots_follow != 0;
  ECF8_ASSIGN_OR_RETURN(slots_, MapSealed(received.descriptors[0].get(), reply.slot_bytes));
  return MapGenerations(received.descriptors[1].get(), reply.generation_bytes, reply.slot_bytes);
}

absl::Status SlotMapping::TakeSessionSlots(CudaMappingCalls& cuda, int device) {
  SessionSlots slots;
  const SessionSlots expected;
  ECF8_ASSIGN_OR_RETURN(const Received received,
                        ReceiveMessage(connection(), &slots, sizeof(slots)));
  if (!received.is_whole || slots.magic != expected.magic ||
      received.descriptors.size() != kSlotDescriptors || slots.slot_bytes == 0 ||
      slots.slot_bytes % kSlotPageBytes != 0) {
    return Untrusted("what came for the session is of another kind");
  }
  ECF8_RETURN_IF_ERROR(
      MapGenerations(received.descriptors[1].get(), slots.generation_bytes, slots.slot_bytes));
  ECF8_ASSIGN_OR_RETURN(
      run_dev_, MappedRun::Import(cuda, device, received.descriptors[0].get(), slots.slot_bytes));
  return absl::OkStatus();
}

absl::Status SlotMapping::MapGenerations(int fd, uint64_t size_bytes, uint64_t slot_bytes) {
  Unmap(counters_);
  counters_ = {};
  ECF8_ASSIGN_OR_RETURN(counters_, MapSealed(fd, size_bytes));
  const uint64_t pages = slot_bytes / kSlotPageBytes;
  if (size_bytes / sizeof(SlotGeneration) < pages) return Untrusted("fewer generations than pages");
  generations_ = {reinterpret_cast<const SlotGeneration*>(counters_.data()), pages};
  return absl::OkStatus();
}

SlotMapping::~SlotMapping() {
  Unmap(slots_);
  Unmap(counters_);
}

void SlotMapping::Disconnect() const { shutdown(connection(), SHUT_RDWR); }

}  // namespace ecf8
