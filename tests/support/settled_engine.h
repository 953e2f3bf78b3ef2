// An engine on real threads, and its figures: they are told a moment later than units are there.
#ifndef ECF8_TESTS_SUPPORT_SETTLED_ENGINE_H_
#define ECF8_TESTS_SUPPORT_SETTLED_ENGINE_H_

#include "loader/engine/engine.h"
#include "tests/support/wait.h"

namespace ecf8::testing {

// Until nothing is under way; false where that takes too long. Before that, who joins a read that
// has failed has its error.
inline bool WaitUntilSettled(const Engine& engine) {
  return Within20s([&] {
    const EngineStats stats = engine.stats();
    return stats.requests == 0 && stats.active_units == 0;
  });
}

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_SETTLED_ENGINE_H_
