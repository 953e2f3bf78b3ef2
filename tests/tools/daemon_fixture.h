// The two programs as they are started: the daemon, on a socket of the test's own, and the command
// line that asks it.
#ifndef ECF8_TESTS_TOOLS_DAEMON_FIXTURE_H_
#define ECF8_TESTS_TOOLS_DAEMON_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/small_model.h"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace ecf8::testing {

inline const std::string kDaemon = ECF8_BINARY_DIR "/bin/ecf8d";
inline const std::string kCli = ECF8_BINARY_DIR "/bin/ecf8";

// With the compressed model "small" in the test's directory.
class DaemonTest : public ::testing::Test {
 protected:
  DaemonTest() { tensors_ = MakeCompressedModel(directory_.path(), "small"); }

  // A daemon that is started with these flags, on the test's socket.
  std::unique_ptr<Subprocess> StartWith(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {kDaemon, "--listen", "unix:" + socket_});
    return std::make_unique<Subprocess>(flags);
  }
  // One that serves the model "small".
  std::unique_ptr<Subprocess> Start(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"--model-dir", directory_ / "small"});
    return StartWith(std::move(more));
  }

  // Waits until the daemon says that it listens.
  static bool IsUp(Subprocess& daemon) { return daemon.Says("listening on"); }
  // Where it says so: as the daemon names it, with the port that it has chosen.
  static std::string ListenAddress(const Subprocess& daemon) {
    const std::string said = "listening on ";
    const std::string log = daemon.Stderr();
    const size_t at = log.find(said);
    if (at == std::string::npos) return "";
    return log.substr(at + said.size(), log.find('\n', at) - at - said.size());
  }

  RunResult Ask(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), kCli);
    arguments.insert(arguments.end(), {"--daemon", "unix:" + socket_});
    return RunProgram(arguments);
  }

  TempDir directory_;
  const std::string socket_ = directory_ / "s.sock";
  TensorBytes tensors_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_TOOLS_DAEMON_FIXTURE_H_
