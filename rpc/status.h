// How the engine stands, as the wire contract describes it.
#ifndef ECF8_RPC_STATUS_H_
#define ECF8_RPC_STATUS_H_

#include "ecf8/v1/status.pb.h"
#include "loader/engine/engine.h"
#include "rpc/token_table.h"

namespace ecf8 {

// Tiers, reader and pipeline of `out`; of pins, those of models that the caller may see.
void FillStatus(const Engine& engine, const Principal& caller, v1::GetStatusResponse* out);

}  // namespace ecf8

#endif  // ECF8_RPC_STATUS_H_
