// A daemon under load for long: eight clients, budgets at their edges, faults all the time. Its
// throughput and its memory stay as they are, and no error comes that nobody injected.
//
//   ECF8_SOAK_SECONDS=3600 ECF8_SOAK_LOG=soak.csv build/release/bin/daemon_soak_test
//
// ECF8_SOAK_PACE gives each client so many operations a second, whose lateness is told; without,
// each does what it can. ECF8_SOAK_MODEL names a plain model to take beside a small one; without,
// there are two small ones.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "loader/checkpoint/safetensors.h"
#include "loader/memory/slot_space.h"
#include "rpc/client.h"
#include "tests/support/process_stats.h"
#include "tests/support/unix_client.h"
#include "tests/support/wait.h"
#include "tests/tools/daemon_fixture.h"
#include "tests/tools/soak/fault_injector.h"
#include "tests/tools/soak/soak_clients.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::FaultInjector;
using ::ecf8::testing::kCli;
using ::ecf8::testing::kDaemon;
using ::ecf8::testing::ProcessStats;
using ::ecf8::testing::ReadProcessStats;
using ::ecf8::testing::RunProgram;
using ::ecf8::testing::SoakTally;
using ::ecf8::testing::SoakWorld;
using ::ecf8::testing::Subprocess;
using ::ecf8::testing::TensorBytes;
using ::testing::IsEmpty;
using Clock = std::chrono::steady_clock;

const std::string kFirst = "first";    // that no fault is about
const std::string kSecond = "second";  // that faults are about
constexpr int kClients = 8;
constexpr int kSamples = 240;
constexpr int kParts = 8;  // of the run, in what is printed
constexpr int kShortSeconds = 6;
// From which on growth can be told from a warm-up.
constexpr int kLongSeconds = 600;

// Every tensor of a plain model.
TensorBytes ReadTensors(const std::string& directory) {
  TensorBytes tensors;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() != ".safetensors") continue;
    const std::string bytes = testing::ReadFile(entry.path());
    const auto file = File::OpenForRead(entry.path());
    EXPECT_TRUE(file.ok()) << file.status();
    const auto header = ReadSafetensorsHeader(*file);
    EXPECT_TRUE(header.ok()) << header.status();
    for (const SafetensorsTensor& tensor : header->tensors) {
      tensors[tensor.name] =
          bytes.substr(header->data_offset() + tensor.begin, tensor.size_bytes());
    }
  }
  return tensors;
}

struct Sample {
  double seconds = 0;
  uint64_t verified_bytes = 0;
  ProcessStats process;
};

class DaemonSoakTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(root_);
    const char* const model = std::getenv("ECF8_SOAK_MODEL");
    if (model != nullptr) {
      const auto compressed = RunProgram({kCli, "compress", model, root_ + "/" + kFirst});
      ASSERT_EQ(compressed.exit_status, 0) << compressed.err;
      world_.tensors[kFirst] = ReadTensors(model);
    } else {
      MakeSmall(kFirst, {.layers = 8, .projection_rows = 2500});
    }
    MakeSmall(kSecond, {.layers = 6, .projection_rows = 2400, .experts = 4, .expert_rows = 256});
    SetBudgets();
  }

  void MakeSmall(const std::string& name, const testing::SmallModelOptions& options) {
    world_.tensors[name] = testing::MakeCompressedModel(directory_.path(), name, options);
    fs::rename(directory_ / name, root_ + "/" + name);
  }

  // Host memory for the larger half of one model; slots for three sessions and a little more.
  void SetBudgets() {
    for (const std::string& name : {kFirst, kSecond}) {
      const auto model = testing::OpenModel(root_ + "/" + name);
      uint64_t stored_bytes = 0, largest_bytes = 0;
      uint64_t& max_slot = world_.max_slot_bytes[name];
      for (uint32_t i = 0; i < model->unit_count(); ++i) {
        const Unit& unit = model->unit(i);
        stored_bytes += unit.stored_size_bytes;
        largest_bytes = std::max(largest_bytes, unit.stored_size_bytes);
        max_slot = std::max(max_slot, (unit.decoded_size_bytes + kSlotPageBytes - 1) /
                                          kSlotPageBytes * kSlotPageBytes);
      }
      host_budget_ =
          std::max({host_budget_, stored_bytes * 2 / 3, 3 * largest_bytes + (uint64_t{8} << 20)});
    }
    slot_budget_ = 3 * (2 * world_.max_slot_bytes[kFirst] + world_.max_slot_bytes[kSecond]) +
                   2 * std::max(world_.max_slot_bytes[kFirst], world_.max_slot_bytes[kSecond]);
  }

  std::unique_ptr<Subprocess> StartDaemon() const {
    return std::make_unique<Subprocess>(std::vector<std::string>{
        kDaemon, "--listen", world_.address.ToString(), "--model-dir", root_, "--model-root", root_,
        "--host-budget", std::to_string(host_budget_), "--slot-budget",
        std::to_string(slot_budget_), "--heat-dir", directory_ / "heat", "--log-level", "warn"});
  }

  bool IsUp(Subprocess& daemon) const {
    return testing::Within20s([&] {
             return !daemon.running() ||
                    static_cast<bool>(testing::ConnectToUnixSocket(world_.address.socket_path));
           }) &&
           daemon.running();
  }

  // All of them, who begin now.
  std::vector<std::thread> StartClients(const std::stop_token& stop) {
    const char* const pace = std::getenv("ECF8_SOAK_PACE");
    world_.pace.Begin(kClients, pace != nullptr ? std::atof(pace) : 0);
    std::vector<std::thread> clients;
    const auto start = [&](auto client, auto... arguments) {
      const int number = static_cast<int>(clients.size());
      clients.emplace_back([=, this] { client(world_, arguments..., number, stop); });
    };
    for (const std::string& model : {kFirst, kSecond}) {
      for (const v1::Form form : {v1::FORM_DECODED, v1::FORM_STORED}) {
        start(testing::FetchAgainAndAgain, model, form);
      }
    }
    for (const std::string& model : {kFirst, kFirst, kSecond}) {
      start(testing::WalkAgainAndAgain, model);
    }
    start(testing::ControlAgainAndAgain, kSecond);
    return clients;
  }

  // Looks at the daemon as often as it should, and writes down what it sees.
  std::vector<Sample> Watch(pid_t daemon, std::chrono::seconds duration) const {
    std::vector<Sample> samples;
    const char* const path = std::getenv("ECF8_SOAK_LOG");
    std::ofstream log(path != nullptr ? path : "/dev/null");
    log << "seconds,verified_bytes,rss_bytes,rss_anon_bytes,descriptors,threads,cpu_seconds\n";
    const Clock::time_point begin = world_.pace.begin();
    for (int i = 1; i <= kSamples; ++i) {
      std::this_thread::sleep_until(begin + i * duration / kSamples);
      const std::chrono::duration<double> passed = Clock::now() - begin;
      samples.push_back(
          {passed.count(), world_.tally.totals().verified_bytes, ReadProcessStats(daemon)});
      const ProcessStats& process = samples.back().process;
      log << passed.count() << ',' << samples.back().verified_bytes << ',' << process.resident_bytes
          << ',' << process.resident_anon_bytes << ',' << process.descriptors << ','
          << process.threads << ',' << process.cpu_seconds << std::endl;
    }
    return samples;
  }

  testing::TempDir directory_;
  const std::string root_ = directory_ / "models";
  SoakWorld world_{.address = {.socket_path = directory_ / "s.sock"},
                   .tensors = {},
                   .max_slot_bytes = {},
                   .faults = {},
                   .tally = {},
                   .pace = {}};
  uint64_t host_budget_ = 0;
  uint64_t slot_budget_ = 0;
};

// The mean of what `of` says, over one part of the run.
double PartMean(const std::vector<Sample>& samples, int part,
                const std::function<double(const Sample&)>& of) {
  const size_t size = samples.size() / kParts;
  double sum = 0;
  for (size_t i = 0; i < size; ++i) sum += of(samples[static_cast<size_t>(part) * size + i]);
  return sum / static_cast<double>(size);
}

double Anon(const Sample& sample) {
  return static_cast<double>(sample.process.resident_anon_bytes);
}

void PrintParts(const std::vector<Sample>& samples) {
  std::printf(
      "   until s   verified MB/s   MB a CPU second   RSS MiB   of it anon   fds  threads\n");
  const size_t size = samples.size() / kParts;
  for (int part = 0; part < kParts; ++part) {
    const Sample first = part == 0 ? Sample{} : samples[static_cast<size_t>(part) * size - 1];
    const Sample& last = samples[static_cast<size_t>(part + 1) * size - 1];
    const double megabytes = static_cast<double>(last.verified_bytes - first.verified_bytes) / 1e6;
    const auto mean_of = [&](auto member) {
      return PartMean(samples, part, [&](const Sample& sample) {
        return static_cast<double>(sample.process.*member);
      });
    };
    std::printf("  %8.0f  %14.1f  %16.1f  %8.1f  %11.2f  %4.0f  %7.0f\n", last.seconds,
                megabytes / (last.seconds - first.seconds),
                megabytes / (last.process.cpu_seconds - first.process.cpu_seconds),
                mean_of(&ProcessStats::resident_bytes) / (1 << 20),
                PartMean(samples, part, Anon) / (1 << 20), mean_of(&ProcessStats::descriptors),
                mean_of(&ProcessStats::threads));
  }
}

// What was due in each part of the run, and done.
void PrintPace(const std::vector<Sample>& samples, const testing::Pace& pace) {
  std::printf("   until s   done of due   lateness p50 ms   p99 ms   max ms\n");
  const size_t size = samples.size() / kParts;
  double from = 0;
  for (int part = 0; part < kParts; ++part) {
    const double to = samples[static_cast<size_t>(part + 1) * size - 1].seconds;
    const uint64_t due = pace.DueBetween(from, to);
    const std::vector<double> late = pace.LatenessBetween(from, to);
    ASSERT_FALSE(late.empty());
    std::printf("  %8.0f  %5zu of %3llu  %16.1f  %7.1f  %7.1f\n", to, late.size(),
                static_cast<unsigned long long>(due), late[late.size() / 2] * 1e3,
                late[late.size() * 99 / 100] * 1e3, late.back() * 1e3);
    // But for those that are on their way.
    EXPECT_NEAR(static_cast<double>(late.size()), static_cast<double>(due), kClients);
    from = to;
  }
}

void PrintTotals(const SoakTally::Totals& totals, const std::map<std::string, int>& faults) {
  std::printf("%llu calls done, %.1f GB compared\n", static_cast<unsigned long long>(totals.calls),
              static_cast<double>(totals.verified_bytes) / 1e9);
  for (const auto& [name, count] : faults) std::printf("  %5d  %s\n", count, name.c_str());
  for (const auto& [code, count] : totals.injected) {
    std::printf("  %5llu  calls ended with %s\n", static_cast<unsigned long long>(count),
                std::string(absl::StatusCodeToString(code)).c_str());
  }
}

TEST_F(DaemonSoakTest, StaysAsItIs) {
  const char* const text = std::getenv("ECF8_SOAK_SECONDS");
  const std::chrono::seconds duration(text != nullptr ? std::atoi(text) : kShortSeconds);
  const auto daemon = StartDaemon();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  const auto watcher = WeightClient::Connect(world_.address, std::chrono::seconds(60));
  ASSERT_TRUE(watcher.ok()) << watcher.status() << daemon->Stderr();

  std::stop_source stop;
  std::vector<std::thread> threads = StartClients(stop.get_token());
  FaultInjector injector(world_, daemon->pid(), kSecond, root_ + "/" + kSecond, /*seed=*/5);
  threads.emplace_back([&] {
    while (!stop.stop_requested()) injector.InjectOne();
  });
  const std::vector<Sample> samples = Watch(daemon->pid(), duration);
  stop.request_stop();
  for (std::thread& thread : threads) thread.join();

  const SoakTally::Totals totals = world_.tally.totals();
  PrintParts(samples);
  if (world_.pace.is_set()) PrintPace(samples, world_.pace);
  PrintTotals(totals, injector.counts());
  EXPECT_THAT(totals.unexplained, IsEmpty());
  EXPECT_GT(totals.verified_bytes, 0u);
  // Whoever has left holds nothing.
  EXPECT_TRUE(testing::Within20s([&] {
    const auto status = (*watcher)->GetStatus();
    return status.ok() && status->pipeline().requests() == 0 && status->streams() == 0 &&
           status->slots().granted_bytes() == 0;
  }));
  EXPECT_TRUE(testing::Within20s([&] {
    return ReadProcessStats(daemon->pid()).descriptors <= samples.front().process.descriptors;
  }));
  if (duration.count() >= kLongSeconds) {
    EXPECT_LT(PartMean(samples, kParts - 1, Anon), 1.02 * PartMean(samples, 1, Anon) + (4 << 20));
  }
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0) << daemon->Stderr();
}

}  // namespace
}  // namespace ecf8
