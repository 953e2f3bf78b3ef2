// A set of a session whose bytes are those of the checkpoint.
#ifndef ECF8_TESTS_RPC_COMPARING_WALK_H_
#define ECF8_TESTS_RPC_COMPARING_WALK_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "decoder/status_macros.h"
#include "rpc/session_client.h"
#include "tests/rpc/comparing_sink.h"

namespace ecf8::testing {

// INTERNAL where a tensor of the set is not what it should be. Adds what was compared to `*bytes`.
inline absl::Status CompareSet(const SessionClient& session, const LeasedSet& set,
                               const TensorBytes& expected, uint64_t* bytes) {
  for (size_t i = 0; i < set.size(); ++i) {
    const v1::Unit& unit = session.units()[set.unit_index(i)];
    for (int t = 0; t < unit.tensors_size(); ++t) {
      const v1::Tensor& tensor = unit.tensors(t);
      const absl::Span<const uint8_t> mapped = set.tensor(i, t);
      ECF8_RETURN_IF_ERROR(
          CompareTensor(expected, tensor.name(), tensor.tensor_offset_bytes(), mapped));
      *bytes += mapped.size();
    }
  }
  return absl::OkStatus();
}

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_RPC_COMPARING_WALK_H_
