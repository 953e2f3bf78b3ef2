// The owner of a run of a GPU's memory: a process of its own, this test program started again,
// which maps what it is handed and says what it finds there.
#ifndef ECF8_TESTS_LOADER_CUDA_RUN_OWNER_H_
#define ECF8_TESTS_LOADER_CUDA_RUN_OWNER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "tests/support/subprocess.h"

namespace ecf8::testing {

// Where the owner finds CUDA.
enum class OwnersCuda : uint8_t { kFake, kReal };

// Thread-compatible.
class RunOwner {
 public:
  explicit RunOwner(OwnersCuda cuda);
  RunOwner(const RunOwner&) = delete;
  RunOwner& operator=(const RunOwner&) = delete;
  ~RunOwner();

  // Empty where it has mapped the run; else why not. `fd` stays the caller's.
  std::string Map(int fd, uint64_t size_bytes);
  // The first `size_bytes` of what it has mapped last.
  std::string Read(uint64_t size_bytes);
  // Writes `byte` over the first `size_bytes`.
  void Fill(uint64_t size_bytes, uint8_t byte);

  // Ends it in order; its exit status.
  int Stop();
  // Ends it as it is.
  void Kill();

 private:
  void Tell(char command, uint64_t size_bytes, uint8_t byte, int fd);

  int socket_ = -1;
  std::unique_ptr<Subprocess> process_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_LOADER_CUDA_RUN_OWNER_H_
