// From what the library's users see to what rpc/ works with, and back.
#ifndef ECF8_RPC_PUBLIC_CONVERT_H_
#define ECF8_RPC_PUBLIC_CONVERT_H_

#include <stop_token>
#include <vector>

#include "ecf8/call_options.h"
#include "ecf8/fetch.h"
#include "ecf8/model.h"
#include "ecf8/v1/weights.pb.h"
#include "rpc/call_limits.h"

namespace ecf8 {

struct ECF8_HIDDEN Cancellation::State {
  std::stop_source stop;
};

class CallOptionsAccess {
 public:
  static std::stop_token Token(const Cancellation& cancellation) {
    return cancellation.state_->stop.get_token();
  }
};

// From now on.
CallLimits ToLimits(const CallOptions& options);

v1::Form ToProto(Form form);
ModelInfo ToModelInfo(const v1::Model& model);
UnitInfo ToUnitInfo(const v1::Unit& unit);
// In the form that travels.
v1::FetchRequest ToProto(const FetchRequest& request);

ModelDescription ToDescription(const v1::Model& model, const std::vector<v1::Unit>& units);

}  // namespace ecf8

#endif  // ECF8_RPC_PUBLIC_CONVERT_H_
