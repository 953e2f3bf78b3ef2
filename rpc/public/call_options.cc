#include "ecf8/call_options.h"

#include "rpc/public/convert.h"

namespace ecf8 {

Cancellation::Cancellation() : state_(std::make_shared<State>()) {}
Cancellation::~Cancellation() = default;
Cancellation::Cancellation(const Cancellation&) = default;
Cancellation& Cancellation::operator=(const Cancellation&) = default;

void Cancellation::Cancel() const { state_->stop.request_stop(); }
bool Cancellation::cancelled() const { return state_->stop.stop_requested(); }

}  // namespace ecf8
