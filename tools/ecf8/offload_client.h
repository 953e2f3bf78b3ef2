// One client of `ecf8 bench offload`: walks over a model through a session.
#ifndef ECF8_TOOLS_ECF8_OFFLOAD_CLIENT_H_
#define ECF8_TOOLS_ECF8_OFFLOAD_CLIENT_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rpc/session_client.h"
#include "tools/ecf8/source_comparison.h"
#include "tools/workloads/samples.h"

namespace ecf8 {

// What some passes took, of one client.
struct WalkTimes {
  double seconds = 0;
  double stalled_seconds = 0;  // of these: units waited for
};

// Thread-compatible.
class OffloadClient {
 public:
  struct Options {
    Address address;
    std::string model;
    bool layers_only = false;
    uint32_t depth = 0;
    uint64_t slot_bytes = 0;
    bool resident = false;
    v1::Form form = v1::FORM_DECODED;
    std::string against;                        // empty: nothing is compared
    const std::atomic<bool>* cancel = nullptr;  // outlives the client
  };

  static absl::StatusOr<std::unique_ptr<OffloadClient>> Open(const Options& options);

  // Walks over the units: while one is used, which takes `compute`, asleep, the next is asked for.
  // With `check`, every byte is compared.
  absl::StatusOr<WalkTimes> Walk(int passes, std::chrono::duration<double> compute, bool check);

  // Microseconds that acquiring up to `units` of the walk takes, again and again, when they are
  // there; and what a ping takes on the same stream, in turn.
  struct Latencies {
    size_t units = 0;
    Samples acquire_us;
    Samples ping_us;
  };
  absl::StatusOr<Latencies> MeasureLatencies(size_t units, int rounds);

  uint64_t compared_bytes() const { return against_ ? against_->compared_bytes() : 0; }
  uint64_t walk_bytes() const { return walk_bytes_; }  // in the session's form
  const std::vector<uint32_t>& walk() const { return walk_; }

 private:
  OffloadClient() = default;

  absl::Status Compare(const LeasedSet& set, uint32_t unit);
  uint32_t UnitAt(size_t step) const { return walk_[step % walk_.size()]; }

  std::unique_ptr<WeightClient> client_;
  std::unique_ptr<SessionClient> session_;
  std::optional<SourceComparison> against_;
  const std::atomic<bool>* cancel_ = nullptr;
  bool resident_ = false;  // units cost nothing of the grant
  std::vector<uint32_t> walk_;
  uint64_t walk_bytes_ = 0;
  uint64_t largest_slot_bytes_ = 0;
  uint64_t depth_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_OFFLOAD_CLIENT_H_
