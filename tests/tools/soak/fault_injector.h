// The faults of a soak, one at a time.
#ifndef ECF8_TESTS_TOOLS_SOAK_FAULT_INJECTOR_H_
#define ECF8_TESTS_TOOLS_SOAK_FAULT_INJECTOR_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "loader/model/compressed_model.h"
#include "rpc/client.h"
#include "tests/tools/soak/soak_clients.h"

namespace ecf8::testing {

// Thread-compatible.
class FaultInjector {
 public:
  // Of the daemon `daemon`, which serves `victim` from `directory` and can add it again.
  FaultInjector(SoakWorld& world, pid_t daemon, const std::string& victim,
                const std::string& directory, uint32_t seed);

  // Injects one, from its beginning to its end, and waits a little.
  void InjectOne();

  // How many there were of each.
  const std::map<std::string, int>& counts() const { return counts_; }

 private:
  void DamageShard();
  void RemoveAndAdd();
  void KillSession();
  void StopFetch();
  void SendGarbage();
  void FloodWithConnections();
  void AskForTooMuch();
  void Reload() const;

  void Pause(int max_ms);
  void Expect(bool condition, const std::string& what) const;

  SoakWorld& world_;
  const pid_t daemon_;
  const std::string victim_;
  const std::shared_ptr<const CompressedModel> model_;
  std::unique_ptr<WeightClient> client_;
  std::mt19937 random_;
  std::map<std::string, int> counts_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_TOOLS_SOAK_FAULT_INJECTOR_H_
