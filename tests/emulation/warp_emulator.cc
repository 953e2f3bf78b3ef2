#include "tests/emulation/warp_emulator.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/emulation/fiber.h"
#include "tests/emulation/shared_shadow.h"
#include "tests/emulation/traffic_counter.h"

namespace ecf8::emulation {
namespace {

constexpr size_t kStackBytes = 128 * 1024;
constexpr std::array<const char*, 5> kKindNames = {"sync", "ballot", "any", "shuffle", "reduce"};

enum class State { kRunnable, kAtCollective, kAtBlockBarrier, kEnded };

struct Thread {
  std::unique_ptr<Fiber> fiber;
  State state = State::kEnded;
  CollectiveKind kind = CollectiveKind::kSync;
  uint32_t mask = 0;
  uint32_t value = 0;
  uint32_t argument = 0;
  uint32_t result = 0;
  uint32_t block_barriers = 0;
  uint32_t warp_barriers = 0;
};

uint64_t NextRandom(uint64_t* state) {
  *state = *state * 6364136223846793005U + 1442695040888963407U;
  return *state >> 33;
}

class Emulator {
 public:
  bool Run(Dim3 grid, Dim3 block, size_t shared_bytes, const std::function<void()>& kernel);

  uint32_t Meet(CollectiveKind kind, uint32_t mask, uint32_t value, uint32_t argument);
  void MeetBlock();
  // Fail does not return, and what is on the thread's stack is never destroyed: so nobody may call
  // it with anything there that owns memory.
  void Report(const std::string& what);
  [[noreturn]] void Fail();
  [[noreturn]] void Fail(const char* what);
  // The bytes to read or write.
  uint8_t* Access(uint32_t address, size_t size, bool write);

  DeviceProperties device;
  TrafficCounter traffic;
  std::string error;
  Dim3 thread_index{0};
  Dim3 block_index{0};
  Dim3 block_dim{0};
  uint32_t running = 0;
  bool in_kernel = false;

 private:
  void StartBlock(const std::function<void()>& kernel, size_t shared_bytes);
  bool RunBlock();
  void End();
  void SwitchTo(uint32_t thread);
  void Leave();
  uint32_t WarpOf(uint32_t thread) const { return thread / kWarpLanes; }
  bool Complete(uint32_t thread) const;
  void Resolve(uint32_t thread);
  std::string Describe() const;

  Fiber scheduler_;
  std::vector<Thread> threads_;
  std::array<uint32_t, kWarpLanes> order_{};  // of the lanes of every warp
  uint64_t random_ = 0;
  std::vector<uint8_t> shared_;
  SharedShadow shadow_;
};

Emulator& TheEmulator() {
  static auto& emulator = *new Emulator;
  return emulator;
}

bool Emulator::Run(Dim3 grid, Dim3 block, size_t shared_bytes,
                   const std::function<void()>& kernel) {
  error.clear();
  if (block.x == 0 || block.x % kWarpLanes != 0 ||
      block.x > static_cast<uint32_t>(device.max_threads) || grid.x == 0 ||
      shared_bytes > static_cast<size_t>(device.shared_bytes)) {
    error = "no device can launch this";
    return false;
  }
  block_dim = block;
  random_ = device.schedule;
  threads_.resize(block.x);
  in_kernel = true;
  for (uint32_t i = 0; i < grid.x && error.empty(); ++i) {
    block_index = Dim3(i);
    StartBlock(kernel, shared_bytes);
    if (!RunBlock()) break;
  }
  in_kernel = false;
  return error.empty();
}

void Emulator::StartBlock(const std::function<void()>& kernel, size_t shared_bytes) {
  shared_.resize(shared_bytes);
  for (size_t i = 0; i < shared_bytes; i += 64)
    shared_[i] = static_cast<uint8_t>(NextRandom(&random_));
  shadow_.Reset(shared_bytes);
  std::iota(order_.begin(), order_.end(), 0);
  if (device.schedule != 0) {
    for (uint32_t i = kWarpLanes - 1; i > 0; --i) {
      std::swap(order_[i], order_[NextRandom(&random_) % (i + 1)]);
    }
  }
  for (Thread& thread : threads_) {
    if (thread.fiber == nullptr) thread.fiber = std::make_unique<Fiber>(kStackBytes);
    thread.state = State::kRunnable;
    thread.block_barriers = 0;
    thread.warp_barriers = 0;
    thread.fiber->Restart([this, &kernel] {
      kernel();
      End();
    });
  }
}

bool Emulator::RunBlock() {
  for (;;) {
    bool ran = false;
    bool ended = true;
    for (uint32_t warp = 0; warp < threads_.size() / kWarpLanes; ++warp) {
      for (const uint32_t lane : order_) {
        const uint32_t thread = warp * kWarpLanes + lane;
        if (threads_[thread].state == State::kRunnable) {
          ran = true;
          running = thread;
          thread_index = Dim3(thread);
          Fiber::Switch(&scheduler_, threads_[thread].fiber.get());
          if (!error.empty()) return false;
        }
        if (threads_[thread].state != State::kEnded) ended = false;
      }
    }
    if (ended) return true;
    if (!ran) {
      error = absl::StrCat("divergence: no thread can go on; ", Describe());
      return false;
    }
  }
}

// On to a lane of the same warp that can run, else to the scheduler.
void Emulator::Leave() {
  Thread& self = threads_[running];
  const uint32_t warp = WarpOf(running);
  for (const uint32_t lane : order_) {
    const uint32_t thread = warp * kWarpLanes + lane;
    if (threads_[thread].state != State::kRunnable) continue;
    running = thread;
    thread_index = Dim3(thread);
    Fiber::Switch(self.fiber.get(), threads_[thread].fiber.get());
    return;
  }
  Fiber::Switch(self.fiber.get(), &scheduler_);
}

void Emulator::End() {
  threads_[running].state = State::kEnded;
  if (traffic.counting()) {
    const auto first = threads_.begin() + WarpOf(running) * kWarpLanes;
    if (std::all_of(first, first + kWarpLanes,
                    [](const Thread& thread) { return thread.state == State::kEnded; })) {
      traffic.EndRequests(WarpOf(running));
    }
  }
  Leave();
  std::abort();  // nobody switches to a thread that has ended
}

void Emulator::Report(const std::string& what) {
  if (!in_kernel) std::abort();
  if (error.empty()) {
    error = absl::StrCat("block ", block_index.x, ", thread ", running, ": ", what);
  }
}

void Emulator::Fail() {
  Fiber::Switch(threads_[running].fiber.get(), &scheduler_);
  std::abort();
}

void Emulator::Fail(const char* what) {
  Report(what);
  Fail();
}

uint32_t Emulator::Meet(CollectiveKind kind, uint32_t mask, uint32_t value, uint32_t argument) {
  Thread& self = threads_[running];
  const uint32_t lane = running % kWarpLanes;
  if ((mask >> lane & 1) == 0) Fail("divergence: a collective whose mask lacks the caller");
  self.state = State::kAtCollective;
  self.kind = kind;
  self.mask = mask;
  self.value = value;
  self.argument = argument;
  if (Complete(running)) {
    Resolve(running);
  } else {
    Leave();
  }
  return self.result;
}

// Whether all lanes that `thread` names have come to the same collective. An error if one cannot
// come any more.
bool Emulator::Complete(uint32_t thread) const {
  const Thread& self = threads_[thread];
  bool complete = true;
  for (uint32_t lane = 0; lane < kWarpLanes; ++lane) {
    if ((self.mask >> lane & 1) == 0) continue;
    const Thread& other = threads_[WarpOf(thread) * kWarpLanes + lane];
    if (other.state == State::kRunnable) {
      complete = false;
    } else if (other.state != State::kAtCollective || other.kind != self.kind ||
               other.mask != self.mask) {
      TheEmulator().Report(
          absl::StrCat("divergence: lane ", lane, " does not reach the collective ",
                       kKindNames[static_cast<size_t>(self.kind)], "; ", Describe()));
      TheEmulator().Fail();
    }
  }
  return complete;
}

void Emulator::Resolve(uint32_t thread) {
  const CollectiveKind kind = threads_[thread].kind;
  const uint32_t mask = threads_[thread].mask;
  Thread* warp = &threads_[WarpOf(thread) * kWarpLanes];
  uint32_t bits = 0;
  uint32_t sum = 0;
  for (uint32_t lane = 0; lane < kWarpLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    if (warp[lane].value != 0) bits |= 1u << lane;
    sum |= warp[lane].value;
  }
  for (uint32_t lane = 0; lane < kWarpLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    Thread& other = warp[lane];
    other.state = State::kRunnable;
    switch (kind) {
      case CollectiveKind::kSync:
        // Orders what all lanes do; fewer than all are not taken for a barrier here.
        if (mask == UINT32_MAX) ++other.warp_barriers;
        break;
      case CollectiveKind::kBallot:
        other.result = bits;
        break;
      case CollectiveKind::kAny:
        other.result = bits != 0 ? 1 : 0;
        break;
      case CollectiveKind::kShuffle: {
        const uint32_t source = other.argument % kWarpLanes;
        if ((mask >> source & 1) == 0) Fail("shuffle from a lane that takes no part");
        other.result = warp[source].value;
        break;
      }
      case CollectiveKind::kReduceOr:
        other.result = sum;
        break;
    }
  }
  if (traffic.counting() && mask == UINT32_MAX) traffic.EndRequests(WarpOf(thread));
}

void Emulator::MeetBlock() {
  threads_[running].state = State::kAtBlockBarrier;
  const bool complete = std::all_of(threads_.begin(), threads_.end(), [](const Thread& thread) {
    return thread.state == State::kAtBlockBarrier || thread.state == State::kEnded;
  });
  if (!complete) {
    Leave();
    return;
  }
  for (Thread& thread : threads_) {
    if (thread.state == State::kEnded) Fail("divergence: a thread ended before a block's barrier");
    thread.state = State::kRunnable;
    ++thread.block_barriers;
  }
}

std::string Emulator::Describe() const {
  std::string text = "warp of thread ";
  absl::StrAppend(&text, running, ":");
  for (uint32_t lane = 0; lane < kWarpLanes; ++lane) {
    const Thread& thread = threads_[WarpOf(running) * kWarpLanes + lane];
    absl::StrAppend(&text, " ",
                    thread.state == State::kRunnable ? "runs"
                    : thread.state == State::kEnded  ? "ended"
                    : thread.state == State::kAtBlockBarrier
                        ? "block"
                        : kKindNames[static_cast<size_t>(thread.kind)]);
  }
  return text;
}

uint8_t* Emulator::Access(uint32_t address, size_t size, bool write) {
  const auto begin = static_cast<uint32_t>(device.reserved_shared_bytes);
  const size_t offset = size_t{address} - begin;
  if (address < begin || offset + size > shared_.size()) {
    Report(absl::StrCat(write ? "store" : "load", " of ", size, " bytes of shared memory at ",
                        address, " out of bounds"));
    Fail();
  }
  if (address % size != 0) Fail("shared access at an address that is no multiple of its size");
  const Thread& self = threads_[running];
  const Accessor by = {running, WarpOf(running), self.block_barriers, self.warp_barriers};
  const char* wrong = write ? shadow_.Write(offset, size, by) : shadow_.Read(offset, size, by);
  if (wrong != nullptr) {
    Report(absl::StrCat(wrong, ", at ", address));
    Fail();
  }
  if (traffic.counting()) traffic.AddShared(running, offset, size, write);
  return shared_.data() + offset;
}

}  // namespace

DeviceProperties& Device() { return TheEmulator().device; }

bool Launch(Dim3 grid, Dim3 block, size_t shared_bytes, const std::function<void()>& kernel) {
  return TheEmulator().Run(grid, block, shared_bytes, kernel);
}

const std::string& LaunchError() { return TheEmulator().error; }

void StartCounting(size_t tables_offset) { TheEmulator().traffic.Start(tables_offset); }

TrafficCounts StopCounting() { return TheEmulator().traffic.Stop(); }

uint32_t Collective(CollectiveKind kind, uint32_t mask, uint32_t value, uint32_t argument) {
  return TheEmulator().Meet(kind, mask, value, argument);
}

void SyncThreads() { TheEmulator().MeetBlock(); }

const Dim3& ThreadIndex() { return TheEmulator().thread_index; }
const Dim3& BlockIndex() { return TheEmulator().block_index; }
const Dim3& BlockDim() { return TheEmulator().block_dim; }

uint32_t SharedMemoryBegin() {
  return static_cast<uint32_t>(TheEmulator().device.reserved_shared_bytes);
}

void LoadShared(uint32_t address, void* value, size_t size) {
  std::memcpy(value, TheEmulator().Access(address, size, /*write=*/false), size);
}

void StoreShared(uint32_t address, const void* value, size_t size) {
  std::memcpy(TheEmulator().Access(address, size, /*write=*/true), value, size);
}

void FailLaunch(const char* what) { TheEmulator().Fail(what); }

void CountGlobal(uintptr_t address, size_t size, GlobalAccess access) {
  Emulator& emulator = TheEmulator();
  if (emulator.traffic.counting()) {
    emulator.traffic.AddGlobal(emulator.running, address, size, access);
  }
}

}  // namespace ecf8::emulation
