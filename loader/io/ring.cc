#include "loader/io/ring.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <thread>

#include "absl/strings/str_cat.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

constexpr uint32_t kMaxBuffers = 1024;

// From what costs least to what every kernel knows. Completions are worked off by the ring's own
// thread when it waits, not by interrupting it: DEFER_TASKRUN (Linux 6.1), else COOP_TASKRUN
// (5.19).
constexpr std::array<unsigned, 3> kSetUpFlags = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_COOP_TASKRUN, 0};

// The kernel takes no more registered files than the process may open.
uint32_t FileSlots() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return static_cast<uint32_t>(std::min<rlim_t>(limit.rlim_cur, kMaxOpenFiles));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Ring>> Ring::Open(uint32_t entries, ReadCalls& calls) {
  std::unique_ptr<Ring> ring(new Ring(calls));  // its constructor is private
  int error = -EINVAL;
  for (const unsigned flags : kSetUpFlags) {
    if (error != -EINVAL) break;
    io_uring_params params{};
    // Disabled until Start, which makes its thread the single issuer.
    params.flags = flags | IORING_SETUP_R_DISABLED;
    error = calls.InitRing(entries, &ring->ring_, &params);
  }
  if (error < 0) {
    ring->ring_.ring_fd = -1;
    return ErrnoStatus(-error, "io_uring is refused");
  }
  const uint32_t file_slots = FileSlots();
  ring->file_slots_ =
      file_slots > 0 && ::io_uring_register_files_sparse(&ring->ring_, file_slots) >= 0;
  ring->registered_files_.resize(ring->file_slots_ ? file_slots : 0);
  ring->buffer_slots_ = ::io_uring_register_buffers_sparse(&ring->ring_, kMaxBuffers) >= 0;
  return ring;
}

Ring::~Ring() {
  if (ring_.ring_fd >= 0) ::io_uring_queue_exit(&ring_);
}

void Ring::Start() {
  // io_uring_enable_rings(3), which liburing 2.3 declares and does not export.
  [[maybe_unused]] const long result =
      ::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  assert(result == 0);
}

void Ring::Read(uint64_t id, uint32_t file_number, const BlockFile& file,
                absl::Span<uint8_t> memory, uint64_t offset_bytes) {
  io_uring_sqe& entry = NextEntry();
  const bool registered = file_number < registered_files_.size() && registered_files_[file_number];
  const int fd = registered ? static_cast<int>(file_number) : file.fd();
  const auto size_bytes = static_cast<unsigned>(memory.size());
  const int buffer = FixedBufferOf(memory);
  if (buffer >= 0) {
    ::io_uring_prep_read_fixed(&entry, fd, memory.data(), size_bytes, offset_bytes, buffer);
  } else {
    ::io_uring_prep_read(&entry, fd, memory.data(), size_bytes, offset_bytes);
  }
  if (registered) entry.flags |= IOSQE_FIXED_FILE;
  // A buffered read copies from the page cache: on the kernel's threads, several at once, instead
  // of one after the other on ours.
  if (!file.direct()) entry.flags |= IOSQE_ASYNC;
  ::io_uring_sqe_set_data64(&entry, id);
}

void Ring::ReadEvent(uint64_t id, int fd, uint64_t* value) {
  io_uring_sqe& entry = NextEntry();
  ::io_uring_prep_read(&entry, fd, value, sizeof(*value), 0);
  ::io_uring_sqe_set_data64(&entry, id);
}

void Ring::Wait(std::vector<Completion>& completions) {
  completions.clear();
  const int submitted = ::io_uring_submit_and_wait(&ring_, 1);
  io_uring_cqe* entry = nullptr;
  unsigned head = 0;
  io_uring_for_each_cqe(&ring_, head, entry) {
    completions.push_back({::io_uring_cqe_get_data64(entry), entry->res});
  }
  ::io_uring_cq_advance(&ring_, static_cast<unsigned>(completions.size()));
  // Short of memory (EAGAIN, EBUSY): what is queued stays so and goes with the next Wait.
  if (submitted < 0 && submitted != -EINTR && completions.empty()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void Ring::RegisterFile(uint32_t file_number, const BlockFile& file) {
  if (file_number >= registered_files_.size()) return;
  const int fd = file.fd();
  registered_files_[file_number] =
      ::io_uring_register_files_update(&ring_, file_number, &fd, 1) == 1;
}

void Ring::UnregisterFile(uint32_t file_number) {
  if (file_number >= registered_files_.size() || !registered_files_[file_number]) return;
  const int no_fd = -1;
  ::io_uring_register_files_update(&ring_, file_number, &no_fd, 1);
  registered_files_[file_number] = false;
}

absl::Status Ring::RegisterBuffer(absl::Span<uint8_t> memory) {
  if (!buffer_slots_) {
    return absl::UnimplementedError("no fixed buffers: the kernel is older than Linux 5.19");
  }
  if (buffers_.size() == kMaxBuffers) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no more than ", kMaxBuffers, " fixed buffers"));
  }
  const int index = static_cast<int>(buffers_.size());
  const int error = calls_.RegisterBuffer(&ring_, static_cast<uint32_t>(index), memory);
  if (error < 0) {
    return ErrnoStatus(-error,
                       absl::StrCat("cannot register ", FormatBytes(memory.size()),
                                    " as a fixed buffer (RLIMIT_MEMLOCK is the usual limit)"));
  }
  buffers_.emplace(memory.data(), Buffer{memory.size(), index});
  return absl::OkStatus();
}

io_uring_sqe& Ring::NextEntry() {
  io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
  assert(entry != nullptr);  // there are as many as requests at once
  return *entry;
}

int Ring::FixedBufferOf(absl::Span<uint8_t> memory) const {
  auto next = buffers_.upper_bound(memory.data());
  if (next == buffers_.begin()) return -1;
  const auto& [start, buffer] = *std::prev(next);
  const uint64_t offset = static_cast<uint64_t>(memory.data() - start);
  const bool inside = offset < buffer.size_bytes && memory.size() <= buffer.size_bytes - offset;
  return inside ? buffer.index : -1;
}

}  // namespace ecf8
