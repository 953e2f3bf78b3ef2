// Which connections are given up where memory runs out, and when.
//
// gRPC 1.51 keeps some of what peers send outside of every limit that it has: headers that do not
// end, and calls that are begun and reset faster than it works them off. Nobody has been asked for
// a token by then. So where the heap grows beyond a limit, connections go: first those that have
// never been told anything, as nobody who is served is among them for long.
#ifndef ECF8_RPC_SHEDDING_H_
#define ECF8_RPC_SHEDDING_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "rpc/transport_counts.h"

namespace ecf8 {

enum class Shedding {
  kNone,
  kUnserved,  // those that were never sent a message, if there are any
  kAny,       // whoever is to go first
};

// When it is time. Thread-compatible.
class SheddingClock {
 public:
  using Clock = std::chrono::steady_clock;

  explicit SheddingClock(uint64_t limit_bytes);

  // Which connections have to go now. Those that are not served: as `heap_bytes` goes beyond the
  // limit, and for each sixteenth of it more. Others: where it has grown by a quarter of the limit
  // since those that had to go were gone. They need time for that, in which gRPC works off what it
  // has read of them: `is_settling` says that some are not gone. Beyond three times the limit
  // nothing is waited for.
  Shedding Look(uint64_t heap_bytes, bool is_settling, Clock::time_point now);

  // From when it is beyond the limit until it is well below.
  bool is_over() const { return is_over_; }
  // Whether somebody new may come: not while it grows beyond the limit, or settles, nor for a
  // second more.
  bool MayAccept(Clock::time_point now) const;

 private:
  const uint64_t limit_bytes_;
  const uint64_t step_bytes_;
  bool is_over_ = false;
  uint64_t least_bytes_ = 0;    // since some had gone
  uint64_t tried_bytes_ = 0;    // when some had to go, or less since
  uint64_t highest_bytes_ = 0;  // of all, while it is over
  Clock::time_point settled_at_;
  Clock::time_point moved_at_;
};

struct SheddingCandidate {
  std::optional<ConnectionCounts> counts{};  // nothing: gRPC does not know it yet
  bool has_session = false;                  // or rather, its process
};

// The places in `connections`, oldest first, of those that are to go: all of the first of these
// kinds of which there are any.
//   - those that were never sent a message;
//   - those without a call;
//   - those whose calls are broken off more often than not;
//   - of others, the newer half;
//   - of those that have sessions, the newer half.
// Of kUnserved: of the first kind only.
std::vector<size_t> ChooseToShed(const std::vector<SheddingCandidate>& connections,
                                 Shedding shedding);

}  // namespace ecf8

#endif  // ECF8_RPC_SHEDDING_H_
