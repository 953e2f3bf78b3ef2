#include "tests/support/fake_cuda/fake_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cstdlib>
#include <cstring>

namespace ecf8::testing {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr int kGarbage = 0xCD;

uintptr_t Number(const uint8_t* address) { return reinterpret_cast<uintptr_t>(address); }

uint64_t WholePages(uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

uint8_t* MapPages(uint64_t size_bytes, int protection) {
  void* const memory = mmap(nullptr, WholePages(size_bytes), protection,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return static_cast<uint8_t*>(memory);
}

uint64_t IdentityOf(int fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) std::abort();
  return status.st_ino;
}

}  // namespace

FakeMemory::~FakeMemory() {
  for (auto& [address, run] : runs_) {
    munmap(reinterpret_cast<void*>(address), WholePages(run.size_bytes));
    munmap(run.bytes, WholePages(run.size_bytes));
  }
  for (auto& [number, handle] : handles_) close(handle.fd);
}

uint8_t* FakeMemory::Allocate(int device, uint64_t size_bytes) {
  uint8_t* const address = MapPages(size_bytes, PROT_NONE);
  uint8_t* const bytes = MapPages(size_bytes, PROT_READ | PROT_WRITE);
  std::memset(bytes, kGarbage, size_bytes);
  runs_[Number(address)] = {.size_bytes = size_bytes, .bytes = bytes, .device = device};
  return address;
}

bool FakeMemory::Free(uint8_t* address) {
  const auto run = runs_.find(Number(address));
  if (run == runs_.end() || run->second.reserved) return false;
  munmap(address, WholePages(run->second.size_bytes));
  munmap(run->second.bytes, WholePages(run->second.size_bytes));
  runs_.erase(run);
  return true;
}

uint8_t* FakeMemory::Reserve(uint64_t size_bytes) {
  if (size_bytes % kFakeGranularityBytes != 0) return nullptr;
  uint8_t* const address = MapPages(size_bytes, PROT_NONE);
  runs_[Number(address)] = {
      .size_bytes = size_bytes, .bytes = MapPages(size_bytes, PROT_NONE), .reserved = true};
  return address;
}

bool FakeMemory::Unreserve(uint8_t* address, uint64_t size_bytes) {
  const auto run = runs_.find(Number(address));
  if (run == runs_.end() || !run->second.reserved || run->second.size_bytes != size_bytes ||
      !run->second.mappings.empty()) {
    return false;
  }
  munmap(address, size_bytes);
  munmap(run->second.bytes, size_bytes);
  runs_.erase(run);
  return true;
}

uint64_t FakeMemory::CreateHandle(int device, uint64_t size_bytes) {
  const int fd = memfd_create("fake-cuda", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, static_cast<off_t>(size_bytes)) != 0) std::abort();
  handles_[next_handle_] = {
      .fd = fd, .size_bytes = size_bytes, .device = device, .identity = IdentityOf(fd)};
  return next_handle_++;
}

bool FakeMemory::ReleaseHandle(uint64_t number) {
  const auto handle = handles_.find(number);
  if (handle == handles_.end() || handle->second.released) return false;
  handle->second.released = true;
  DropHandleIfUnused(number);
  return true;
}

void FakeMemory::DropHandleIfUnused(uint64_t number) {
  const Handle& handle = handles_.at(number);
  if (!handle.released || handle.mapped > 0) return;
  close(handle.fd);
  handles_.erase(number);
}

FakeMemory::Run* FakeMemory::FindRun(const uint8_t* address, uint64_t* offset) {
  const auto above = runs_.upper_bound(Number(address));
  if (above == runs_.begin()) return nullptr;
  const auto run = std::prev(above);
  *offset = Number(address) - run->first;
  return *offset < run->second.size_bytes ? &run->second : nullptr;
}

bool FakeMemory::Map(uint8_t* address, uint64_t size_bytes, uint64_t number) {
  uint64_t offset = 0;
  Run* const run = FindRun(address, &offset);
  const auto handle = handles_.find(number);
  if (run == nullptr || !run->reserved || handle == handles_.end() || handle->second.released ||
      handle->second.size_bytes != size_bytes || size_bytes % kFakeGranularityBytes != 0 ||
      offset + size_bytes > run->size_bytes) {
    return false;
  }
  for (const auto& [begin, mapping] : run->mappings) {
    if (begin < offset + size_bytes && offset < begin + mapping.size_bytes) return false;
  }
  if (mmap(run->bytes + offset, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
           handle->second.fd, 0) == MAP_FAILED) {
    std::abort();
  }
  if (handle->second.fresh) std::memset(run->bytes + offset, kGarbage, size_bytes);
  handle->second.fresh = false;
  run->mappings[offset] = {size_bytes, number, {}};
  ++handle->second.mapped;
  return true;
}

bool FakeMemory::Unmap(uint8_t* address, uint64_t size_bytes) {
  uint64_t offset = 0;
  Run* const run = FindRun(address, &offset);
  if (run == nullptr) return false;
  const auto mapping = run->mappings.find(offset);
  if (mapping == run->mappings.end() || mapping->second.size_bytes != size_bytes) return false;
  if (mmap(run->bytes + offset, size_bytes, PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED) {
    std::abort();
  }
  const uint64_t handle = mapping->second.handle;
  run->mappings.erase(mapping);
  --handles_.at(handle).mapped;
  DropHandleIfUnused(handle);
  return true;
}

bool FakeMemory::SetAccess(uint8_t* address, uint64_t size_bytes, const std::vector<int>& devices) {
  uint64_t offset = 0;
  Run* const run = FindRun(address, &offset);
  if (run == nullptr || !run->reserved || offset + size_bytes > run->size_bytes) return false;
  uint64_t covered = 0;
  for (auto& [begin, mapping] : run->mappings) {
    if (begin < offset || begin >= offset + size_bytes) continue;
    mapping.devices.insert(devices.begin(), devices.end());
    covered += mapping.size_bytes;
  }
  return covered == size_bytes;
}

int FakeMemory::Export(uint64_t handle) {
  const auto found = handles_.find(handle);
  if (found == handles_.end()) return -1;
  found->second.exported = true;
  return fcntl(found->second.fd, F_DUPFD_CLOEXEC, 0);
}

bool FakeMemory::IsExported(uint64_t handle) const {
  const auto found = handles_.find(handle);
  return found != handles_.end() && found->second.exported;
}

uint64_t FakeMemory::Import(int fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0 || fcntl(fd, F_GET_SEALS) < 0) return 0;
  int device = 0;
  for (const auto& [number, handle] : handles_) {
    if (handle.identity == status.st_ino) device = handle.device;
  }
  handles_[next_handle_] = {.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
                            .size_bytes = static_cast<uint64_t>(status.st_size),
                            .device = device,
                            .identity = status.st_ino,
                            .fresh = false};
  return next_handle_++;
}

uint8_t* FakeMemory::Resolve(const uint8_t* address, uint64_t size_bytes, int device) const {
  uint64_t offset = 0;
  const Run* const run = const_cast<FakeMemory*>(this)->FindRun(address, &offset);
  if (run == nullptr || offset + size_bytes > run->size_bytes) return nullptr;
  if (!run->reserved) return run->device == device ? run->bytes + offset : nullptr;
  uint64_t covered = offset;
  for (const auto& [begin, mapping] : run->mappings) {
    if (covered >= offset + size_bytes) break;
    if (covered >= begin && covered < begin + mapping.size_bytes) {
      if (!mapping.devices.contains(device)) return nullptr;
      covered = begin + mapping.size_bytes;
    }
  }
  return covered >= offset + size_bytes ? run->bytes + offset : nullptr;
}

uint8_t* FakeMemory::AllocateHost(uint64_t size_bytes) {
  auto* const memory =
      static_cast<uint8_t*>(std::aligned_alloc(kPageBytes, WholePages(size_bytes)));
  std::memset(memory, kGarbage, size_bytes);
  host_[Number(memory)] = {size_bytes, false};
  return memory;
}

bool FakeMemory::FreeHost(uint8_t* memory) {
  const auto found = host_.find(Number(memory));
  if (found == host_.end() || found->second.registered) return false;
  host_.erase(found);
  std::free(memory);
  return true;
}

bool FakeMemory::Register(uint8_t* memory, uint64_t size_bytes) {
  const uintptr_t begin = Number(memory) / kPageBytes * kPageBytes;
  const uintptr_t end = WholePages(Number(memory) + size_bytes);
  for (const auto& [address, host] : host_) {
    if (address < end && begin < WholePages(address + host.size_bytes)) return false;
  }
  host_[Number(memory)] = {size_bytes, true};
  return true;
}

bool FakeMemory::Unregister(uint8_t* memory) {
  const auto found = host_.find(Number(memory));
  if (found == host_.end() || !found->second.registered) return false;
  host_.erase(found);
  return true;
}

bool FakeMemory::IsPinned(const uint8_t* memory, uint64_t size_bytes) const {
  const auto above = host_.upper_bound(Number(memory));
  if (above == host_.begin()) return false;
  const auto& [address, host] = *std::prev(above);
  return Number(memory) + size_bytes <= address + host.size_bytes;
}

uint64_t FakeMemory::used_bytes(int device) const {
  uint64_t bytes = 0;
  for (const auto& [address, run] : runs_) {
    if (!run.reserved && run.device == device) bytes += run.size_bytes;
  }
  std::set<uint64_t> counted;
  for (const auto& [number, handle] : handles_) {
    if (handle.device != device || !counted.insert(handle.identity).second) continue;
    bytes += handle.size_bytes;
  }
  return bytes;
}

std::vector<std::string> FakeMemory::Leaks() const {
  std::vector<std::string> leaks;
  for (const auto& [address, run] : runs_) {
    leaks.push_back((run.reserved ? "reserved addresses, " : "device memory, ") +
                    std::to_string(run.size_bytes) + " bytes");
  }
  for (const auto& [number, handle] : handles_) {
    leaks.push_back("memory handle " + std::to_string(number));
  }
  for (const auto& [address, host] : host_) {
    leaks.push_back((host.registered ? "registered host memory, " : "pinned host memory, ") +
                    std::to_string(host.size_bytes) + " bytes");
  }
  return leaks;
}

}  // namespace ecf8::testing
