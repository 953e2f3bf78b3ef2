// The memory of the fake CUDA's devices and what it knows of the host's.
//
// A device address can be neither read nor written by the test's own code: its page is protected,
// and the bytes are at another place that only the fake knows. Fresh memory holds garbage.
#ifndef ECF8_TESTS_SUPPORT_FAKE_CUDA_FAKE_MEMORY_H_
#define ECF8_TESTS_SUPPORT_FAKE_CUDA_FAKE_MEMORY_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace ecf8::testing {

inline constexpr uint64_t kFakeGranularityBytes = 2 << 20;

// Thread-compatible. What returns bool is false for a misuse, and does nothing.
class FakeMemory {
 public:
  FakeMemory() = default;
  FakeMemory(const FakeMemory&) = delete;
  FakeMemory& operator=(const FakeMemory&) = delete;
  ~FakeMemory();

  // cudaMalloc. The end is exact: one byte beyond is out of bounds.
  uint8_t* Allocate(int device, uint64_t size_bytes);
  bool Free(uint8_t* address);

  // Virtual memory, in multiples of kFakeGranularityBytes.
  uint8_t* Reserve(uint64_t size_bytes);
  bool Unreserve(uint8_t* address, uint64_t size_bytes);
  uint64_t CreateHandle(int device, uint64_t size_bytes);
  bool ReleaseHandle(uint64_t handle);
  bool Map(uint8_t* address, uint64_t size_bytes, uint64_t handle);
  bool Unmap(uint8_t* address, uint64_t size_bytes);
  bool SetAccess(uint8_t* address, uint64_t size_bytes, const std::vector<int>& devices);
  // A descriptor, which is the caller's; -1 for no such handle.
  int Export(uint64_t handle);
  bool IsExported(uint64_t handle) const;
  // Another name for memory that was exported here or in another process, with what lies there; 0
  // for a descriptor of something else. Each fd is counted as memory once, however many names.
  uint64_t Import(int fd);

  // Where the bytes are that `device` finds there; null where it may not touch all of them.
  uint8_t* Resolve(const uint8_t* address, uint64_t size_bytes, int device) const;

  // Pinned host memory.
  uint8_t* AllocateHost(uint64_t size_bytes);
  bool FreeHost(uint8_t* memory);
  bool Register(uint8_t* memory, uint64_t size_bytes);  // no page twice
  bool Unregister(uint8_t* memory);
  // All of it, as one: a copy may not lie on two pinned ranges.
  bool IsPinned(const uint8_t* memory, uint64_t size_bytes) const;

  uint64_t used_bytes(int device) const;
  // Whatever has not been given back.
  std::vector<std::string> Leaks() const;

 private:
  struct Mapping {
    uint64_t size_bytes;
    uint64_t handle;
    std::set<int> devices;  // with access
  };
  // Of cudaMalloc, or reserved addresses.
  struct Run {
    uint64_t size_bytes = 0;
    uint8_t* bytes = nullptr;
    int device = 0;
    bool reserved = false;
    std::map<uint64_t, Mapping> mappings{};  // by offset
  };
  struct Handle {
    int fd;
    uint64_t size_bytes;
    int device;
    uint64_t identity;  // the same of every name of the memory
    bool fresh = true;  // holds nothing that anybody has written
    bool released = false;
    bool exported = false;
    int mapped = 0;
  };
  struct Host {
    uint64_t size_bytes;
    bool registered;
  };

  Run* FindRun(const uint8_t* address, uint64_t* offset);
  void DropHandleIfUnused(uint64_t handle);

  std::map<uintptr_t, Run> runs_;
  std::map<uint64_t, Handle> handles_;
  uint64_t next_handle_ = 1;
  std::map<uintptr_t, Host> host_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_FAKE_CUDA_FAKE_MEMORY_H_
