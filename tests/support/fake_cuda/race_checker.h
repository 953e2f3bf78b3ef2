// Finds work in streams that touches the same bytes without an order: a vector clock a piece of
// work, as ThreadSanitizer has one a thread.
#ifndef ECF8_TESTS_SUPPORT_FAKE_CUDA_RACE_CHECKER_H_
#define ECF8_TESTS_SUPPORT_FAKE_CUDA_RACE_CHECKER_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ecf8::testing {

// By stream, the last of its pieces of work that has surely been done before.
using StreamClock = std::map<int, uint64_t>;

inline void Join(StreamClock* clock, const StreamClock& other) {
  for (const auto& [stream, sequence] : other) {
    (*clock)[stream] = std::max((*clock)[stream], sequence);
  }
}

// One piece of work: number `sequence` of its stream, whose own entry in `clock` it is.
struct StreamWork {
  int stream = 0;
  uint64_t sequence = 0;
  StreamClock clock{};
  std::string what;
};

// Thread-compatible.
class RaceChecker {
 public:
  // The work touches the bytes; what races with it, if anything.
  std::optional<std::string> Touch(const StreamWork& work, const uint8_t* address,
                                   uint64_t size_bytes, bool write) {
    std::optional<std::string> race;
    for (const Access& other : accesses_) {
      const bool overlap =
          address < other.address + other.size_bytes && other.address < address + size_bytes;
      if (!overlap || !(write || other.write) || Ordered(work, other.work)) continue;
      race = work.what + " and " + other.work.what + " touch the same bytes in no order";
    }
    accesses_.push_back({work, address, size_bytes, write});
    return race;
  }

  // All that has been done is known to be done by whoever starts more.
  void Forget() { accesses_.clear(); }

 private:
  struct Access {
    StreamWork work;
    const uint8_t* address;
    uint64_t size_bytes;
    bool write;
  };

  static bool Knows(const StreamWork& work, const StreamWork& other) {
    const auto known = work.clock.find(other.stream);
    return known != work.clock.end() && known->second >= other.sequence;
  }
  static bool Ordered(const StreamWork& a, const StreamWork& b) {
    return Knows(a, b) || Knows(b, a);
  }

  std::vector<Access> accesses_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_FAKE_CUDA_RACE_CHECKER_H_
