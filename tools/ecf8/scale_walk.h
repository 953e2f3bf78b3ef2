// A client that walks over a model with experts by a session, token by token, as an engine does.
#ifndef ECF8_TOOLS_ECF8_SCALE_WALK_H_
#define ECF8_TOOLS_ECF8_SCALE_WALK_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/model/compressed_model.h"
#include "rpc/client.h"
#include "rpc/session_client.h"
#include "tools/workloads/samples.h"

namespace ecf8 {

// What a token uses, layer by layer, in units of the model. Embeddings, of which it takes a row,
// and layers for multi-token prediction are not in it; the head is the last of the layers.
struct ScaleLayer {
  std::vector<uint32_t> dense;
  std::vector<uint32_t> experts;  // all of them; a token uses a few
};

// `layers`: those that are no layers for multi-token prediction.
std::vector<ScaleLayer> ListScaleLayers(const CompressedModel& model, uint32_t layers);

struct ScaleWalkOptions {
  Address address{};
  std::string model{};
  std::vector<ScaleLayer> layers{};
  uint64_t slot_bytes = 0;                                  // of the session
  uint32_t depth = 4;                                       // dense units that are made ready ahead
  std::chrono::nanoseconds layer_compute{0};                // that a layer is used for
  std::function<absl::Status(const LeasedSet& set)> use{};  // may be empty
};

// Thread-compatible.
class ScaleWalk {
 public:
  static absl::StatusOr<std::unique_ptr<ScaleWalk>> Open(const ScaleWalkOptions& options);

  // `experts`: of each layer that has some, in turn, by number.
  absl::Status Token(absl::Span<const std::vector<uint32_t>> experts);

  WeightClient& client() { return *client_; }
  const SessionClient& session() const { return *session_; }
  double open_seconds() const { return open_seconds_; }  // the session, all units described
  // Since ForgetTimes, in microseconds: of a layer's experts, asked for until they are there; and
  // the same of its dense units.
  const Samples& expert_us() const { return expert_us_; }
  const Samples& dense_us() const { return dense_us_; }
  void ForgetTimes() {
    expert_us_.clear();
    dense_us_.clear();
  }

 private:
  explicit ScaleWalk(const ScaleWalkOptions& options) : options_(options) {}

  absl::StatusOr<LeasedSet> Acquire(const std::vector<uint32_t>& units, Samples* us);

  const ScaleWalkOptions options_;
  std::unique_ptr<WeightClient> client_;
  std::unique_ptr<SessionClient> session_;
  double open_seconds_ = 0;
  Samples expert_us_;
  Samples dense_us_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_SCALE_WALK_H_
