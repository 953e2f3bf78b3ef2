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
#include "loader/engine/pin_hold.h"
#include "loader/engine/residency.h"
#include "loader/serve/model_set.h"
#include "loader/session/session.h"

namespace ecf8 {

struct SessionOrder {
  std::string model;
  std::string digest;
  std::vector<uint32_t> walk;  // unit indices
  bool cyclic = false;
  uint32_t depth = 0;
  // 0: for depth units and two more, or what is left; of a resident session, none
  uint64_t slot_bytes = 0;
  bool resident = false;  // the whole model is to stay in slots, whoever comes and goes
  // Of what lies in its slots: kDecoded or kStoredInSlot.
  UnitForm form = UnitForm::kDecoded;
};

// The model of a session that may be, whatever memory there is. NOT_FOUND for a model that is not
// served, FAILED_PRECONDITION where its digest is another, INVALID_ARGUMENT for a walk over units
// that there are not, or not once. Every error carries an ErrorInfo.
absl::StatusOr<ServedModel> CheckOrder(const ModelSet& models, const SessionLimits& limits,
                                       const SessionOrder& order);

// All units of the model in slots, in the form: what a resident session holds pins of.
UnitSet ResidentSet(const EngineModel& model, UnitForm form);

// The order has been checked, and `model` is its. `residence`, for a resident session and for no
// other, holds the pins of the ResidentSet. All references outlive the session; for `on_outcome`
// see Session. RESOURCE_EXHAUSTED, with the shortfall and who holds what is missing, where so many
// slots are not left, or more than one session may have.
absl::StatusOr<std::shared_ptr<Session>> OpenSession(Engine& engine, const SessionLimits& limits,
                                                     const SessionOrder& order, ServedModel model,
                                                     PinHold residence,
                                                     std::function<void()> on_outcome);

// The same where slots can be had as runs alone (Engine::gives_runs): `on_open` is called once, on
// a thread of the engine's, with the session and its slots, or why there is none:
// RESOURCE_EXHAUSTED also where the device has not the memory. Errors that are known at once are
// returned instead: UNIMPLEMENTED for a resident session, and for one whose form is not kDecoded.
using OnOwnSession = std::function<void(absl::StatusOr<std::shared_ptr<Session>> session,
                                        std::shared_ptr<OwnSlots> slots)>;
absl::Status OpenOwnSession(Engine& engine, const SessionLimits& limits, SessionOrder order,
                            ServedModel model, std::function<void()> on_outcome,
                            OnOwnSession on_open);

}  // namespace ecf8

#endif  // ECF8_LOADER_SESSION_OPEN_SESSION_H_
