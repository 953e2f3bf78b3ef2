// How the engine stands, as the wire contract describes it.
#ifndef ECF8_RPC_STATUS_H_
#define ECF8_RPC_STATUS_H_

#include "ecf8/v1/status.pb.h"
#include "loader/engine/engine.h"

namespace ecf8 {

// Tiers, reader and pipeline of `out`.
void FillStatus(const Engine& engine, v1::GetStatusResponse* out);

}  // namespace ecf8

#endif  // ECF8_RPC_STATUS_H_
