// Knows of every byte of a block's shared memory who wrote and who read it since the last barrier:
// finds races, and reads of what nobody wrote.
#ifndef ECF8_TESTS_EMULATION_SHARED_SHADOW_H_
#define ECF8_TESTS_EMULATION_SHARED_SHADOW_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ecf8::emulation {

// Who accesses, and how many barriers it has passed: of the block, and of its warp.
struct Accessor {
  uint32_t thread;
  uint32_t warp;
  uint32_t block_barriers;
  uint32_t warp_barriers;
};

class SharedShadow {
 public:
  // `size` bytes that nobody has written.
  void Reset(size_t size);

  // An access, before it happens. Returns what is wrong with it, or null. Two accesses of one byte,
  // not both reads, by two threads must have a barrier of the block, or of the warp of both,
  // between them.
  const char* Read(size_t offset, size_t size, const Accessor& by);
  const char* Write(size_t offset, size_t size, const Accessor& by);

 private:
  static constexpr uint32_t kNobody = UINT32_MAX;
  static constexpr uint32_t kSeveral = UINT32_MAX - 1;
  struct Byte {
    Accessor writer = {kNobody, kNobody, 0, 0};
    // Since then. `thread`, or even `warp`, is kSeveral if several read after the same barriers.
    Accessor reader = {kNobody, kNobody, 0, 0};
  };

  static bool Ordered(const Accessor& before, const Accessor& now);
  static void AddReader(const Accessor& by, Accessor* reader);

  std::vector<Byte> bytes_;
};

}  // namespace ecf8::emulation

#endif  // ECF8_TESTS_EMULATION_SHARED_SHADOW_H_
