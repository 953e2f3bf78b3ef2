#include "tools/ecf8/child_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"

namespace ecf8 {
namespace {

constexpr char kThisProgram[] = "/proc/self/exe";

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    std::vector<std::string> arguments) {
  std::array<int, 2> pipe_fds{};
  if (::pipe2(pipe_fds.data(), O_CLOEXEC) != 0) return ErrnoStatus(errno, "cannot make a pipe");
  const Descriptor reading(pipe_fds[0]);
  Descriptor writing(pipe_fds[1]);
  arguments.insert(arguments.begin(), "ecf8");
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, reading.get(), STDIN_FILENO);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, kThisProgram, &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("cannot start ", arguments[0], " again"));
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid, std::move(writing)));
}

ChildProcess::~ChildProcess() {
  input_ = Descriptor();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

absl::StatusOr<double> ChildProcess::CpuSeconds() const {
  clockid_t clock{};
  struct timespec time {};
  const int error = ::clock_getcpuclockid(pid_, &clock);
  if (error != 0) return ErrnoStatus(error, "the process is gone");
  if (::clock_gettime(clock, &time) != 0) return ErrnoStatus(errno, "the process is gone");
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

absl::StatusOr<ResidentSet> ChildProcess::Resident() const {
  return ReadResidentSet(absl::StrCat(pid_));
}

}  // namespace ecf8
