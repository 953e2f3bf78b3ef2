#include "tests/tools/soak/fault_injector.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/base/descriptor.h"
#include "rpc/session_client.h"
#include "rpc/slot_handshake.h"
#include "tests/support/subprocess.h"
#include "tests/support/unix_client.h"

namespace ecf8::testing {
namespace {

constexpr int kConnectionsOfAFlood = 200;
constexpr size_t kMaxGarbageBytes = 4096;
const std::string kCli = ECF8_BINARY_DIR "/bin/ecf8";

}  // namespace

FaultInjector::FaultInjector(SoakWorld& world, pid_t daemon, const std::string& victim,
                             const std::string& directory, uint32_t seed)
    : world_(world), daemon_(daemon), victim_(victim), model_(OpenModel(directory)), random_(seed) {
  auto client = WeightClient::Connect(world.address, std::chrono::seconds(60));
  Expect(client.ok(), "the injector's connection");
  if (client.ok()) client_ = *std::move(client);
}

void FaultInjector::InjectOne() {
  struct Fault {
    const char* name;
    void (*inject)(FaultInjector&);
  };
  static constexpr Fault kFaults[] = {
      {"a damaged shard", [](FaultInjector& self) { self.DamageShard(); }},
      {"a model removed and added", [](FaultInjector& self) { self.RemoveAndAdd(); }},
      {"a killed session", [](FaultInjector& self) { self.KillSession(); }},
      {"a stopped fetch", [](FaultInjector& self) { self.StopFetch(); }},
      {"garbage", [](FaultInjector& self) { self.SendGarbage(); }},
      {"a flood of connections", [](FaultInjector& self) { self.FloodWithConnections(); }},
      {"a session too large", [](FaultInjector& self) { self.AskForTooMuch(); }},
      {"SIGHUP", [](FaultInjector& self) { self.Reload(); }},
  };
  const Fault& fault = kFaults[random_() % std::size(kFaults)];
  fault.inject(*this);
  ++counts_[fault.name];
  Pause(500);
}

// A stretch of one unit is other bytes on the disk, for a while.
void FaultInjector::DamageShard() {
  const uint32_t number = random_() % model_->unit_count();
  const Unit& unit = model_->unit(number);
  const std::string path =
      absl::StrCat(model_->directory(), "/", model_->shard_of(number).file_name);
  const Descriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC));
  std::vector<uint8_t> bytes(unit.stored_size_bytes / 2);
  const auto offset = static_cast<off_t>(unit.offset_bytes);
  const auto size = static_cast<ssize_t>(bytes.size());
  Expect(pread(file.get(), bytes.data(), bytes.size(), offset) == size, "a read of the shard");
  const size_t window = world_.faults.Open(absl::StatusCode::kDataLoss, victim_);
  std::vector<uint8_t> damaged = bytes;
  for (uint8_t& byte : damaged) byte ^= 0xff;
  Expect(pwrite(file.get(), damaged.data(), damaged.size(), offset) == size, "the damage");
  Pause(1500);
  Expect(pwrite(file.get(), bytes.data(), bytes.size(), offset) == size, "the mending");
  world_.faults.Close(window);
}

void FaultInjector::RemoveAndAdd() {
  const size_t window = world_.faults.Open(absl::StatusCode::kNotFound, victim_);
  Expect(client_->RemoveModel(victim_, "").ok(), "the removal");
  Pause(500);
  Expect(client_->AddModel(victim_, model_->digest()).ok(), "the return");
  world_.faults.Close(window);
}

void FaultInjector::KillSession() {
  const Subprocess client({kCli, "bench", "offload", victim_, "--daemon", world_.address.ToString(),
                           "--layers", "--depth", "1", "--passes", "1000000"});
  Pause(800);
}  // which kills it

void FaultInjector::StopFetch() {
  const FaultWindows::Clock::time_point begin = FaultWindows::Clock::now();
  Subprocess client({kCli, "fetch", victim_, "--daemon", world_.address.ToString()});
  Pause(50);
  client.Signal(SIGSTOP);
  Pause(1500);
  if (random_() % 2 == 0) return;  // killed as it is
  client.Signal(SIGCONT);
  const bool is_done = client.Wait() == 0;
  // It may have joined a read of bytes that were damaged until then.
  Expect(is_done || world_.faults.Explain(absl::StatusCode::kDataLoss, victim_, begin),
         absl::StrCat("a fetch that was stopped: ", client.Stderr()));
}

void FaultInjector::SendGarbage() {
  const std::string& path = world_.address.socket_path;
  for (const std::string& socket : {path, SlotSocketPath(path)}) {
    const Descriptor connection = ConnectToUnixSocket(socket);
    std::vector<char> garbage(random_() % kMaxGarbageBytes);
    for (char& byte : garbage) byte = static_cast<char>(random_());
    send(connection.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
    Pause(100);
  }
}

void FaultInjector::FloodWithConnections() {
  const std::string& path = world_.address.socket_path;
  std::vector<Descriptor> connections;
  for (int i = 0; i < kConnectionsOfAFlood; ++i) {
    connections.push_back(ConnectToUnixSocket(path));
    connections.push_back(ConnectToUnixSocket(SlotSocketPath(path)));
  }
  Pause(300);
}

void FaultInjector::AskForTooMuch() {
  const auto session = SessionClient::Open(*client_, world_.address,
                                           {.model = victim_, .slot_bytes = uint64_t{1} << 40});
  Expect(absl::IsResourceExhausted(session.status()),
         absl::StrCat("a session too large: ", session.status().ToString()));
}

void FaultInjector::Reload() const { kill(daemon_, SIGHUP); }

void FaultInjector::Pause(int max_ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(random_() % static_cast<uint32_t>(max_ms)));
}

void FaultInjector::Expect(bool condition, const std::string& what) const {
  if (!condition) world_.tally.Unexplained(absl::StrCat("the injector: ", what));
}

}  // namespace ecf8::testing
