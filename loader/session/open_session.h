// From what a client asks for to a session: checks, and the grant.
#ifndef ECF8_LOADER_SESSION_OPEN_SESSION_H_
#define ECF8_LOADER_SESSION_OPEN_SESSION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/engine/engine.h"
#include "loader/serve/model_set.h"
#include "loader/session/session.h"
#include "loader/session/slot_grants.h"

namespace ecf8 {

struct SessionOrder {
  std::string model;
  std::string digest;
  std::vector<uint32_t> walk;  // unit indices
  bool cyclic = false;
  uint32_t depth = 0;
  uint64_t slot_bytes = 0;  // 0: for depth units and two more, or what is left
};

// All references outlive the session; for `on_outcome` see Session. NOT_FOUND for a model that is
// not served, FAILED_PRECONDITION where its digest is another, INVALID_ARGUMENT for a walk over
// units that there are not, or not once, RESOURCE_EXHAUSTED with the shortfall where so many slots
// are not left. Every error carries an ErrorInfo.
absl::StatusOr<std::shared_ptr<Session>> OpenSession(Engine& engine, const ModelSet& models,
                                                     SlotGrants& grants,
                                                     const SessionLimits& limits,
                                                     SessionOrder order,
                                                     std::function<void()> on_outcome);

}  // namespace ecf8

#endif  // ECF8_LOADER_SESSION_OPEN_SESSION_H_
