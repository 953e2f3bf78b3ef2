// Programs as a user starts them: arguments in; exit status, stdout and stderr out.
#ifndef ECF8_TESTS_SUPPORT_SUBPROCESS_H_
#define ECF8_TESTS_SUPPORT_SUBPROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace ecf8::testing {

// What a program is given besides its arguments.
struct SubprocessGifts {
  std::vector<std::string> environment{};  // beside this process's: NAME=VALUE
  std::vector<int> descriptors{};          // that it has as 3, 4, ...
};

// Started by the constructor; killed by the destructor where it still runs.
class Subprocess {
 public:
  // `arguments[0]` is the program's path, or the name of one that PATH finds.
  explicit Subprocess(std::vector<std::string> arguments, const SubprocessGifts& gifts = {});
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;
  ~Subprocess();

  void Signal(int signal_number) const;
  pid_t pid() const { return pid_; }
  bool running();

  // The exit status, or minus the number of the signal that ended it. Kills it, and fails the test,
  // where it does not end within `timeout`.
  int Wait(std::chrono::seconds timeout = std::chrono::seconds(60));

  // Waits until it has written `text` to stderr; false where it ends before, or 30 s do.
  bool Says(const std::string& text);

  // What it has written so far.
  std::string Stdout() const;
  std::string Stderr() const;

 private:
  bool Reap(int options);

  pid_t pid_ = -1;
  int exit_status_ = 0;
  std::string output_directory_;
};

struct RunResult {
  int exit_status = 0;
  std::string out;
  std::string err;
};

// Starts a program and waits for its end.
RunResult RunProgram(const std::vector<std::string>& arguments);

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_SUBPROCESS_H_
