#include "tools/ecf8/fio.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"
#include "nlohmann/json.hpp"

namespace ecf8 {
namespace {

constexpr size_t kMaxOutputBytes = 1 << 20;

// All that comes until the writers have closed it; cut at kMaxOutputBytes.
std::string ReadToEnd(int fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    const size_t room = kMaxOutputBytes - text.size();
    text.append(buffer.data(), std::min(static_cast<size_t>(count), room));
  }
}

// Runs a program of the PATH and returns its stdout; an error where it fails.
absl::StatusOr<std::string> RunProgram(std::vector<std::string> arguments) {
  std::array<int, 2> pipe_fds{};
  if (::pipe2(pipe_fds.data(), O_CLOEXEC) != 0) return ErrnoStatus(errno, "cannot make a pipe");
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(pipe_fds[1]);
  std::string output;
  if (error == 0) output = ReadToEnd(pipe_fds[0]);
  ::close(pipe_fds[0]);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("cannot start ", arguments[0]));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) {
    return absl::InternalError(absl::StrCat(arguments[0], " failed: ", Quoted(output, 1000)));
  }
  return output;
}

}  // namespace

absl::StatusOr<double> RunFioRead(const FioRead& read) {
  // A colon would separate two files.
  const std::string path = absl::StrReplaceAll(read.path, {{":", "\\:"}});
  std::vector<std::string> arguments = {"fio",
                                        "--name=read",
                                        absl::StrCat("--filename=", path),
                                        "--rw=read",
                                        "--readonly",
                                        "--bs=4M",
                                        "--iodepth=32",
                                        "--ioengine=io_uring",
                                        "--fixedbufs=1",
                                        "--registerfiles=1",
                                        absl::StrCat("--direct=", read.direct ? 1 : 0),
                                        absl::StrCat("--size=", read.size_bytes),
                                        "--output-format=json"};
  if (read.huge_pages) arguments.emplace_back("--mem=shmhuge");
  absl::StatusOr<std::string> output = RunProgram(std::move(arguments));
  if (absl::IsNotFound(output.status())) {
    return AddContext(output.status(), "the bench compares with fio (apt-get install fio)");
  }
  ECF8_RETURN_IF_ERROR(output.status());
  // Notes may come before the document.
  const size_t start = std::min(output->find('{'), output->size());
  const auto report = nlohmann::json::parse(output->substr(start), nullptr, false);
  const nlohmann::json::json_pointer place("/jobs/0/read/bw_bytes");
  if (report.is_discarded() || !report.contains(place) || !report[place].is_number()) {
    return absl::InternalError(absl::StrCat("fio's report: ", Quoted(*output, 1000)));
  }
  return report[place].get<double>() / 1e9;
}

}  // namespace ecf8
