#include "tests/support/subprocess.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <thread>

namespace ecf8::testing {
namespace {

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

Subprocess::Subprocess(std::vector<std::string> arguments, const SubprocessGifts& gifts)
    : output_directory_(::testing::TempDir() + "/ecf8-process-XXXXXX") {
  if (mkdtemp(output_directory_.data()) == nullptr) ADD_FAILURE() << "no " << output_directory_;
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<std::string> environment = gifts.environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  std::vector<char*> envp;
  for (std::string& variable : environment) envp.push_back(variable.data());
  envp.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const int flags = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, (output_directory_ + "/out").c_str(), flags, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, (output_directory_ + "/err").c_str(), flags, 0600);
  // By way of numbers that none of them is to have.
  std::vector<int> copies;
  for (const int fd : gifts.descriptors) copies.push_back(fcntl(fd, F_DUPFD_CLOEXEC, 100));
  for (size_t i = 0; i < copies.size(); ++i) {
    posix_spawn_file_actions_adddup2(&actions, copies[i], static_cast<int>(3 + i));
  }
  const int error = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), envp.data());
  for (const int fd : copies) close(fd);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    ADD_FAILURE() << "cannot start " << arguments[0];
    pid_ = -1;
  }
}

Subprocess::~Subprocess() {
  if (running()) {
    Signal(SIGKILL);
    Reap(0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(output_directory_, ignored);
}

void Subprocess::Signal(int signal_number) const {
  if (pid_ > 0) kill(pid_, signal_number);
}

// Whether it has ended; notes how.
bool Subprocess::Reap(int options) {
  if (pid_ < 0) return true;
  int status = 0;
  if (waitpid(pid_, &status, options) != pid_) return false;
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  pid_ = -1;
  return true;
}

bool Subprocess::running() { return !Reap(WNOHANG); }

int Subprocess::Wait(std::chrono::seconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (running()) {
    if (std::chrono::steady_clock::now() > deadline) {
      ADD_FAILURE() << "still running; its stderr: " << Stderr();
      Signal(SIGKILL);
      Reap(0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return exit_status_;
}

bool Subprocess::Says(const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (true) {
    const bool ended = !running();  // looked at first: what it said last is there then
    if (Stderr().find(text) != std::string::npos) return true;
    if (ended || std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

std::string Subprocess::Stdout() const { return Contents(output_directory_ + "/out"); }
std::string Subprocess::Stderr() const { return Contents(output_directory_ + "/err"); }

RunResult RunProgram(const std::vector<std::string>& arguments) {
  Subprocess process(arguments);
  RunResult result;
  result.exit_status = process.Wait();
  result.out = process.Stdout();
  result.err = process.Stderr();
  return result;
}

}  // namespace ecf8::testing
