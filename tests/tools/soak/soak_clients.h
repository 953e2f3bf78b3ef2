// The clients of a soak: each does its operations as they are due until it is told to stop, and
// looks at every byte.
#ifndef ECF8_TESTS_TOOLS_SOAK_SOAK_CLIENTS_H_
#define ECF8_TESTS_TOOLS_SOAK_SOAK_CLIENTS_H_

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>

#include "ecf8/v1/weights.pb.h"
#include "rpc/address.h"
#include "tests/support/small_model.h"
#include "tests/tools/soak/pace.h"
#include "tests/tools/soak/soak_record.h"

namespace ecf8::testing {

// What they share; outlives them.
struct SoakWorld {
  Address address;
  std::map<std::string, TensorBytes> tensors;      // by model
  std::map<std::string, uint64_t> max_slot_bytes;  // of a unit, by model
  FaultWindows faults;
  SoakTally tally;
  Pace pace;
};

// A fetch of all of `model` each time; stored bytes are decoded by the client.
void FetchAgainAndAgain(SoakWorld& world, const std::string& model, v1::Form form, int client,
                        const std::stop_token& stop);

// A walk through `model` each time, in sessions of a few walks, with slots for three of its units.
void WalkAgainAndAgain(SoakWorld& world, const std::string& model, int client,
                       const std::stop_token& stop);

// A preload, pin, unpin or eviction of `model`, or a look at the daemon's status.
void ControlAgainAndAgain(SoakWorld& world, const std::string& model, int client,
                          const std::stop_token& stop);

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_TOOLS_SOAK_SOAK_CLIENTS_H_
